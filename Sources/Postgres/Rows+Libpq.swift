import CLibpq

extension Rows {
    /// Copies everything out of a result, which may be cleared afterwards.
    init(result: OpaquePointer) {
        let rowCount = Int(PQntuples(result))
        let columnCount = Int(PQnfields(result))
        let columns = (0..<columnCount).map { String(cString: PQfname(result, Int32($0))) }
        var values: [String?] = []
        values.reserveCapacity(rowCount * columnCount)
        for row in 0..<Int32(rowCount) {
            for column in 0..<Int32(columnCount) {
                guard PQgetisnull(result, row, column) == 0, let text = PQgetvalue(result, row, column) else {
                    values.append(nil)
                    continue
                }
                values.append(
                    text.withMemoryRebound(to: UInt8.self, capacity: Int(PQgetlength(result, row, column))) {
                        String(
                            decoding: UnsafeBufferPointer(start: $0, count: Int(PQgetlength(result, row, column))),
                            as: UTF8.self)
                    })
            }
        }
        self.init(
            columns: columns, values: values, rowCount: rowCount,
            affected: Int(String(cString: PQcmdTuples(result))) ?? 0,
            commandTag: String(cString: PQcmdStatus(result)))
    }
}

/// Lends texts to C as an array of pointers that is valid during the call; `nil` stays a null pointer.
func withCStrings<Result>(
    _ texts: [String?], _ body: (UnsafeBufferPointer<UnsafePointer<CChar>?>) -> Result
) -> Result {
    // One block for all, because nested withCString calls cannot be made for a number that is not known beforehand.
    var offsets: [Int?] = []
    var storage: [CChar] = []
    for text in texts {
        guard let text else {
            offsets.append(nil)
            continue
        }
        offsets.append(storage.count)
        storage.append(contentsOf: text.utf8.lazy.map { CChar(bitPattern: $0) })
        storage.append(0)
    }
    return storage.withUnsafeBufferPointer { storage in
        let pointers = offsets.map { offset in offset.flatMap { storage.baseAddress?.advanced(by: $0) } }
        return pointers.withUnsafeBufferPointer(body)
    }
}
