/// A text that nobody may see by accident: printing, interpolating, dumping or mirroring it gives `<secret>`.
///
/// It is not `Codable`, so that no encoder can write it out either.
package struct Secret: Sendable, Hashable {
    private let value: String

    /// Wraps a secret.
    package init(_ value: String) {
        self.value = value
    }

    /// The text itself, for the one place that hands it to whoever needs it.
    package func reveal() -> String {
        value
    }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// `<secret>`, whatever the value.
    package var description: String { "<secret>" }

    /// `<secret>`, whatever the value.
    package var debugDescription: String { "<secret>" }

    /// A mirror without children, because `dump` would look past `description`.
    package var customMirror: Mirror { Mirror(self, children: EmptyCollection<Mirror.Child>()) }
}
