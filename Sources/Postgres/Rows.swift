/// What a statement returned: its rows as text, and how many rows it touched.
package struct Rows: Sendable, Hashable {
    /// The names of the columns, in order; two may be the same.
    package let columns: [String]
    /// Rows affected by INSERT, UPDATE, DELETE, MERGE, COPY; rows returned by SELECT; 0 otherwise (`PQcmdTuples`).
    package let affected: Int
    /// What the server calls what it did: `DELETE 5`, `CREATE TABLE`.
    package let commandTag: String

    /// All values, row after row: one array is far cheaper than one per row.
    private let values: [String?]
    private let rowCount: Int

    init(columns: [String], values: [String?], rowCount: Int, affected: Int, commandTag: String) {
        self.columns = columns
        self.values = values
        self.rowCount = rowCount
        self.affected = affected
        self.commandTag = commandTag
    }

    /// No row, of nothing.
    package static let none = Rows(columns: [], values: [], rowCount: 0, affected: 0, commandTag: "")

    /// The value of the first row's first column; `nil` if there is no row or the value is NULL.
    package var scalar: String? { first?[0] }

    fileprivate func value(row: Int, column: Int) -> String? {
        values[row * columns.count + column]
    }
}

extension Rows: RandomAccessCollection {
    /// 0.
    package var startIndex: Int { 0 }

    /// The number of rows.
    package var endIndex: Int { rowCount }

    /// The row at a position, from 0.
    package subscript(position: Int) -> Row {
        precondition(position >= 0 && position < rowCount, "row out of range")
        return Row(rows: self, position: position)
    }
}

/// One row of a result.
///
/// Values are text as the server sent them; the typed accessors give `nil` for NULL and for text that is no such value.
/// A name that the statement does not return is a slip in our own SQL: it stops a debug build and reads as NULL otherwise.
package struct Row: Sendable, Hashable {
    private let rows: Rows
    private let position: Int

    fileprivate init(rows: Rows, position: Int) {
        self.rows = rows
        self.position = position
    }

    /// The names of the columns.
    package var columns: [String] { rows.columns }

    /// The value of a column by its position, from 0; `nil` for NULL.
    package subscript(column: Int) -> String? {
        rows.value(row: position, column: column)
    }

    /// The value of a column by its name; `nil` for NULL.
    package subscript(name: String) -> String? {
        guard let column = rows.columns.firstIndex(of: name) else {
            assertionFailure("the statement returns no column \(name)")
            return nil
        }
        return self[column]
    }

    /// A text.
    package func string(_ name: String) -> String? { self[name] }

    /// A whole number (`integer`, `bigint`, `oid` …).
    package func int(_ name: String) -> Int? { self[name].flatMap { Int($0) } }

    /// A whole number of 64 bits.
    package func int64(_ name: String) -> Int64? { self[name].flatMap { Int64($0) } }

    /// A floating point number (`double precision`, `numeric`, which may lose digits).
    package func double(_ name: String) -> Double? { self[name].flatMap { Double($0) } }

    /// A truth value.
    package func bool(_ name: String) -> Bool? {
        switch self[name] {
        case "t": true
        case "f": false
        default: nil
        }
    }

    /// Bytes of a `bytea` in its hexadecimal form, the server's default.
    package func bytes(_ name: String) -> [UInt8]? {
        guard let text = self[name]?.utf8, text.starts(with: "\\x".utf8), text.count.isMultiple(of: 2) else {
            return nil
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 2 - 1)
        var rest = text.dropFirst(2)
        while !rest.isEmpty {
            guard let pair = String(rest.prefix(2)), let byte = UInt8(pair, radix: 16) else { return nil }
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        return bytes
    }
}
