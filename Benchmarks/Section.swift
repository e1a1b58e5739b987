import Jobs
import Report

/// The results of one subject: a line for each contestant, and what was aimed at.
struct Section: Sendable {
    /// A column of the table.
    struct Column: Sendable {
        /// The key in JSON, with its unit.
        let key: String
        let title: String
    }

    /// A value as it is read by a person and by a program.
    struct Cell: Sendable {
        let text: String
        let json: JSONValue

        static func text(_ text: String) -> Cell { Cell(text: text, json: .text(text)) }

        static func number(_ value: Double, _ show: (Double) -> String) -> Cell {
            Cell(text: show(value), json: value.isFinite ? .number(value) : .null)
        }

        static func count(_ count: Int) -> Cell { Cell(text: "\(count)", json: .integer(count)) }

        static func bytes(_ bytes: Int64) -> Cell { Cell(text: Number.megabytes(bytes), json: .integer(bytes)) }

        static let none = Cell(text: "–", json: .null)
    }

    /// What was aimed at, and whether it was reached.
    struct Target: Sendable {
        let aim: String
        let measured: String
        let isReached: Bool
    }

    let subject: Subject
    let title: String
    let columns: [Column]
    private(set) var lines: [[Cell]] = []
    private(set) var targets: [Target] = []
    private(set) var notes: [String] = []

    init(_ subject: Subject, _ title: String, columns: [Column]) {
        self.subject = subject
        self.title = title
        self.columns = columns
    }

    mutating func add(_ cells: Cell...) {
        precondition(cells.count == columns.count, "a line has another number of cells than the table has columns")
        lines.append(cells)
    }

    mutating func aim(_ aim: String, measured: String, isReached: Bool) {
        targets.append(Target(aim: aim, measured: measured, isReached: isReached))
    }

    mutating func note(_ text: String) { notes.append(text) }

    /// For the terminal.
    var text: String {
        var table = TextTable(columns.map(\.title), rightAligned: Set(1..<columns.count))
        for line in lines { table.add(line.map(\.text)) }
        var text = "\(subject.rawValue): \(title)\n\n\(table.text)"
        if !targets.isEmpty {
            var table = TextTable(["TARGET", "MEASURED", "REACHED"], rightAligned: [1])
            for target in targets { table.add([target.aim, target.measured, target.isReached ? "yes" : "NO"]) }
            text += "\n" + table.text
        }
        for note in notes { text += "  \(note)\n" }
        return text
    }

    /// For programs.
    var json: JSONValue {
        .object([
            ("subject", .text(subject.rawValue)), ("title", .text(title)),
            ("contestants", .array(lines.map { line in .object(zip(columns, line).map { ($0.key, $1.json) }) })),
            (
                "targets",
                .array(
                    targets.map {
                        .object([
                            ("target", .text($0.aim)), ("measured", .text($0.measured)), ("reached", .boolean($0.isReached)),
                        ])
                    })
            ),
            ("notes", .array(notes.map { .text($0) })),
        ])
    }
}
