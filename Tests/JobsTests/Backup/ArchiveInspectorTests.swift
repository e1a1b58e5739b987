import Command
import Foundation
import Postgres
import TestSupport
import Testing

@testable import Jobs

/// Writes archives as pg_dump does, for what no pg_dump at hand would write.
struct ArchiveWriter {
    var bytes: [UInt8] = []
    let minor: UInt8

    /// The head, and the number of entries that follow.
    init(minor: UInt8 = 14, entries: Int) {
        self.minor = minor
        bytes = Array("PGDMP".utf8) + [1, minor, 0, 4, 8, 1]
        if minor >= 15 { bytes.append(0) } else { integer(0) }
        for _ in 0..<7 { integer(0) }
        text("school")
        text("15.18")
        text("15.18")
        integer(entries)
    }

    mutating func integer(_ value: Int) {
        bytes.append(value < 0 ? 1 : 0)
        for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: value.magnitude >> shift)) }
    }

    mutating func text(_ value: String?) {
        integer(value?.utf8.count ?? -1)
        bytes += Array((value ?? "").utf8)
    }

    mutating func entry(_ id: Int, _ tag: String, hasData: Bool) {
        integer(id)
        integer(hasData ? 1 : 0)
        for value in ["1259", "16385", tag, "TABLE DATA"] { text(value) }
        integer(3)
        for value in [nil, "", "COPY …", "public", nil, nil] as [String?] { text(value) }
        if minor >= 16 { integer(114) }
        for value in ["owner", "false", "12", "13", nil] as [String?] { text(value) }
        bytes += [hasData ? 1 : 3] + [UInt8](repeating: 0, count: 8)
    }

    mutating func data(_ id: Int, _ pieces: [Int]) {
        bytes.append(1)
        integer(id)
        for size in pieces { piece(size) }
        integer(0)
    }

    mutating func largeObjects(_ id: Int, _ objects: [(oid: Int, pieces: [Int])]) {
        bytes.append(3)
        integer(id)
        for object in objects {
            integer(object.oid)
            for size in object.pieces { piece(size) }
            integer(0)
        }
        integer(0)
    }

    private mutating func piece(_ size: Int) {
        integer(size)
        // Bytes that would mean something if they were taken for structure.
        for index in 0..<size { bytes.append([1, 0, 3, 255, 0, 0, 7][index % 7]) }
    }
}

@Suite("ArchiveInspector")
struct ArchiveInspectorTests {
    private func verdict(_ bytes: [UInt8], by step: Int = .max) -> ArchiveInspector.Verdict {
        var inspector = ArchiveInspector()
        var rest = bytes[...]
        while !rest.isEmpty {
            rest.prefix(step).withUnsafeBytes { inspector.take($0) }
            rest = rest.dropFirst(step)
        }
        return inspector.verdict()
    }

    private func isComplete(_ verdict: ArchiveInspector.Verdict) -> Bool {
        if case .complete = verdict { true } else { false }
    }

    private func whole(minor: UInt8 = 14) -> ArchiveWriter {
        var writer = ArchiveWriter(minor: minor, entries: 5)
        writer.entry(1, "plan", hasData: false)
        writer.entry(7, "users", hasData: true)
        writer.entry(8, "empty", hasData: true)
        writer.entry(300, "activities", hasData: true)
        writer.entry(9, "BLOBS", hasData: true)
        writer.data(7, [10, 1, 300])
        writer.data(8, [])
        writer.data(300, [70_000])
        writer.largeObjects(9, [(16_400, [5, 5]), (-1_294_967_296, [3]), (16_402, [])])
        return writer
    }

    @Test(
        "a whole archive is whole, in whatever pieces it comes", arguments: [14, 15, 16] as [UInt8], [1, 2, 5, 7, 64, 4096, .max])
    func complete(minor: UInt8, step: Int) {
        let contents = ArchiveInspector.Contents(
            database: "school", serverVersion: "15.18", dumpVersion: "15.18", entries: 5, dataEntries: 4)
        #expect(verdict(whole(minor: minor).bytes, by: step) == .complete(contents))
    }

    @Test("an archive that was cut off anywhere is not whole")
    func cutOff() {
        var inspector = ArchiveInspector()
        let bytes = whole().bytes
        for (count, byte) in bytes.enumerated() {
            #expect(!isComplete(inspector.verdict()), "whole after \(count) of \(bytes.count) bytes")
            withUnsafeBytes(of: byte) { inspector.take($0) }
        }
        #expect(isComplete(inspector.verdict()))
    }

    @Test("what is missing or out of place is told")
    func reasons() {
        var noData = ArchiveWriter(entries: 2)
        noData.entry(7, "users", hasData: true)
        noData.entry(8, "activities", hasData: true)
        noData.data(7, [10])
        #expect(verdict(noData.bytes) == .broken("the dump lacks the data of 1 entry of its table of contents: activities"))
        var twice = noData
        twice.data(7, [10])
        #expect(verdict(twice.bytes) == .broken("the dump has a block of data 7 that its table of contents does not await"))
        #expect(verdict(noData.bytes + [9]) == .broken("the dump has a block of the unknown kind 9"))
        var more = whole()
        more.bytes.append(1)
        more.integer(7)
        #expect(verdict(more.bytes) == .broken("the dump has a block of data 7 that its table of contents does not await"))
        var negative = ArchiveWriter(entries: 1)
        negative.entry(7, "users", hasData: true)
        negative.bytes.append(1)
        negative.integer(7)
        negative.integer(-5)
        #expect(verdict(negative.bytes) == .broken("the dump has a piece of data of negative length"))
        #expect(verdict([]) == .broken("pg_dump wrote nothing"))
        #expect(
            verdict(Array("--\n-- PostgreSQL database dump\n".utf8))
                == .broken("what pg_dump wrote is no archive of its custom format"))
        #expect(verdict(ArchiveWriter(entries: 0).bytes) == .broken("the dump's table of contents is empty"))
        var same = ArchiveWriter(entries: 2)
        same.entry(7, "users", hasData: true)
        same.entry(7, "activities", hasData: true)
        #expect(verdict(same.bytes) == .broken("two entries of the dump's table of contents have the number 7"))
        #expect(
            verdict(Array(whole().bytes.prefix(400))) == .broken("the dump ends within its table of contents, after 400 B"))
        #expect(
            verdict(Array(whole().bytes.dropLast(30))).self
                == .broken(
                    "the dump ends in the middle of a table's data, after \(HumanText.bytes(Int64(whole().bytes.count - 30)))"))
    }

    @Test(
        "layouts that are not known are not guessed at",
        arguments: [(5, 2, "2.14"), (6, 17, "1.17"), (6, 13, "1.13"), (10, 3, "1.14"), (8, 9, "1.14")])
    func unknown(index: Int, value: UInt8, version: String) {
        var bytes = whole().bytes
        bytes[index] = value
        #expect(verdict(bytes) == .unknownLayout(version))
    }

    @Test("what the real pg_dump writes is whole, and every part of it is not")
    func real() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await SchoolERP.create(in: connection)
                try await SchoolERP.fill(connection, activities: 50, users: 20)
                try await connection.simple(
                    #"""
                    CREATE TABLE "Empty ""one""" (a int); CREATE VIEW v AS SELECT 1; CREATE SEQUENCE s;
                    CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM users;
                    """#)
                try await connection.simple("SELECT lo_from_bytea(0, '\\x0102030405'), lo_from_bytea(0, '')")
            }
            let access = try ClientAccess(to: target, applicationName: "test", inheriting: [:], directory: "/tmp")
            let programs = try await TestCluster.shared.cluster.programs
            let dump = Program(
                executable: programs.path(of: "pg_dump"),
                arguments: ["-Fc", "-Z0", "--dbname=\(access.connectionString)"], environment: access.environment)
            let bytes = try await Pipeline([dump]).run(output: .collect(limit: 1 << 24)).output
            guard case .complete(let contents) = verdict(bytes) else {
                Issue.record("\(verdict(bytes))")
                return
            }
            #expect(contents.database == target.database)
            #expect(contents.dataEntries == 4)  // users, activities, the empty one, large objects
            #expect(contents.entries > 20)
            var inspector = ArchiveInspector()
            for byte in bytes.dropLast() {
                withUnsafeBytes(of: byte) { inspector.take($0) }
                if isComplete(inspector.verdict()) {
                    Issue.record("whole after \(inspector.bytes) of \(bytes.count) bytes")
                    return
                }
            }
        }
    }
}
