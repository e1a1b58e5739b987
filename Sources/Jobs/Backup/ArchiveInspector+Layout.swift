extension ArchiveInspector {
    /// Takes an item that has come in whole, and says what the next one is.
    mutating func handle(_ item: [UInt8]) {
        switch state {
        case .magic, .compression, .date, .headLength, .headText, .entryCount: handleHead(item)
        case .number, .textLength, .tag, .offset: handleEntry(item)
        case .blockKind, .blockID, .pieceLength, .largeObject: handleBlock(item)
        case .over: break
        }
    }

    // MARK: The head

    private mutating func handleHead(_ item: [UInt8]) {
        switch state {
        case .magic: handleMagic(item)
        case .compression: expect(.date(remaining: 7), size: integerWidth)
        case .date(let remaining):
            if remaining > 1 {
                expect(.date(remaining: remaining - 1), size: integerWidth)
            } else {
                expect(.headLength(0), size: integerWidth)
            }
        case .headLength(let index):
            let length = integer(item)
            guard length <= 1 << 16 else { return fail("the head of the dump is damaged") }
            if length > 0 { expect(.headText(index), size: length) } else { finishHeadText(index) }
        case .headText(let index):
            let text = String(decoding: item, as: UTF8.self)
            switch index {
            case 0: contents.database = text
            case 1: contents.serverVersion = text
            default: contents.dumpVersion = text
            }
            finishHeadText(index)
        default:
            entriesLeft = integer(item)
            contents.entries = entriesLeft
            guard entriesLeft > 0 else { return fail("the dump's table of contents is empty") }
            expect(.number(.dumpID), size: integerWidth)
        }
    }

    private mutating func finishHeadText(_ index: Int) {
        expect(index < 2 ? .headLength(index + 1) : .entryCount, size: integerWidth)
    }

    private mutating func handleMagic(_ item: [UInt8]) {
        guard item.starts(with: Array("PGDMP".utf8)) else {
            return fail("what pg_dump wrote is no archive of its custom format")
        }
        minorVersion = item[6]
        integerSize = Int(item[8])
        offsetSize = Int(item[9])
        // 1.14 came with PostgreSQL 12, 1.15 and 1.16 with 16 and 17; 1 is the custom format.
        guard item[5] == 1, (14...16).contains(minorVersion), (1...8).contains(integerSize), (1...8).contains(offsetSize),
            item[10] == 1
        else {
            verdictReached = .unknownLayout("\(item[5]).\(item[6])")
            return
        }
        expect(.compression, size: minorVersion >= 15 ? 1 : integerWidth)
    }

    // MARK: The table of contents

    private mutating func handleEntry(_ item: [UInt8]) {
        switch state {
        case .number(let field):
            if field == .dumpID {
                entryID = integer(item)
                guard entryID > 0 else { return fail("an entry of the dump's table of contents has the number \(entryID)") }
            }
            advance(after: field)
        case .textLength(let field):
            let length = integer(item)
            // The list of dependencies ends with a text that is not there.
            if field == .dependency, length >= 0 {
                return expect(.textLength(.dependency), size: integerWidth, after: Int64(length))
            }
            if field == .tag {
                entryTag = ""
                // A name has 63 bytes; tags such as a function's with its arguments are longer, but never that long.
                if length > 0, length <= 1 << 20 { return expect(.tag, size: length) }
            }
            advance(after: field, skipping: Int64(max(0, length)))
        case .tag:
            entryTag = String(decoding: item, as: UTF8.self)
            advance(after: .tag)
        default:
            handleOffset(item)
        }
    }

    /// The last field of an entry: whether it has data (1 and 2 say yes, 3 says no), and where, which a pipe leaves open.
    private mutating func handleOffset(_ item: [UInt8]) {
        switch item[0] {
        case 1, 2:
            guard awaited.updateValue(entryTag, forKey: entryID) == nil else {
                return fail("two entries of the dump's table of contents have the number \(entryID)")
            }
            contents.dataEntries += 1
        case 3: break
        default: return fail("the dump's table of contents is damaged at entry \(entryID)")
        }
        entriesLeft -= 1
        if entriesLeft > 0 { expect(.number(.dumpID), size: integerWidth) } else { expect(.blockKind, size: 1) }
    }

    private mutating func advance(after field: Field, skipping length: Int64 = 0) {
        guard var next = Field(rawValue: field.rawValue + 1) else { return }
        if next == .relationKind, minorVersion < 16 { next = .owner }
        switch next {
        case .dumpID, .hadDumper, .section, .relationKind: expect(.number(next), size: integerWidth, after: length)
        case .offset: expect(.offset, size: offsetSize + 1, after: length)
        default: expect(.textLength(next), size: integerWidth, after: length)
        }
    }

    // MARK: The blocks

    private mutating func handleBlock(_ item: [UInt8]) {
        switch state {
        case .blockKind:
            // 1 is a table's data, 3 are large objects, each after its number.
            guard item[0] == 1 || item[0] == 3 else { return fail("the dump has a block of the unknown kind \(item[0])") }
            isInLargeObjects = item[0] == 3
            expect(.blockID, size: integerWidth)
        case .blockID:
            let id = integer(item)
            guard awaited.removeValue(forKey: id) != nil else {
                return fail("the dump has a block of data \(id) that its table of contents does not await")
            }
            expect(isInLargeObjects ? .largeObject : .pieceLength, size: integerWidth)
        case .largeObject:
            if integer(item) == 0 { expect(.blockKind, size: 1) } else { expect(.pieceLength, size: integerWidth) }
        default:
            let length = integer(item)
            guard length >= 0 else { return fail("the dump has a piece of data of negative length") }
            if length > 0 { return expect(.pieceLength, size: integerWidth, after: Int64(length)) }
            if isInLargeObjects { expect(.largeObject, size: integerWidth) } else { expect(.blockKind, size: 1) }
        }
    }
}
