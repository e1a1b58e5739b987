import Crypto

/// A SHA-256 in its usual form: 64 hexadecimal digits in lower case.
enum Checksum {
    /// The digits of a digest.
    static func hexadecimal(_ digest: some Sequence<UInt8>) -> String {
        var text = ""
        for byte in digest {
            if byte < 16 { text += "0" }
            text += String(byte, radix: 16)
        }
        return text
    }

    /// Whether a text is a SHA-256.
    static func isValid(_ text: String) -> Bool {
        text.utf8.count == 64
            && text.utf8.allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }
    }
}
