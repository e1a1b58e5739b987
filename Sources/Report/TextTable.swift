/// Aligned columns for the terminal.
package struct TextTable: Sendable {
    private var rows: [[String]]
    private let rightAligned: Set<Int>

    /// - Parameter rightAligned: the columns of numbers, from 0.
    package init(_ titles: [String], rightAligned: Set<Int> = []) {
        rows = [titles]
        self.rightAligned = rightAligned
    }

    /// Adds a line. Names and messages may hold anything; what would break the line or lead the terminal astray does not get
    /// there.
    package mutating func add(_ cells: [String]) {
        rows.append(cells.map(Self.plain))
    }

    private static func plain(_ cell: String) -> String {
        guard cell.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return cell }
        var scalars = String.UnicodeScalarView()
        for scalar in cell.unicodeScalars {
            switch scalar {
            case "\n", "\r", "\t": scalars.append(" ")
            case _ where scalar.properties.generalCategory == .control: scalars.append("\u{FFFD}")
            default: scalars.append(scalar)
            }
        }
        return String(scalars)
    }

    /// The lines, each ended.
    package var text: String {
        let count = rows.map(\.count).max() ?? 0
        let widths = (0..<count).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let space = String(repeating: " ", count: widths[column] - cell.count)
                line += (column > 0 ? "  " : "") + (rightAligned.contains(column) ? space + cell : cell + space)
            }
            while line.hasSuffix(" ") { line.removeLast() }
            return line + "\n"
        }.joined()
    }
}
