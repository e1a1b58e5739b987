import Foundation
import Glibc

/// What the kernel tells of a process (proc(5)).
struct ProcessFigures {
    let processID: Int32

    /// Bytes of memory that are in use, those that it shares with others included.
    func residentMemory() throws -> Int64 { try kilobytes("VmRSS", in: "status") * 1024 }

    /// Bytes of memory that would be free if the process ended.
    func privateMemory() throws -> Int64 {
        try kilobytes("Anonymous", in: "smaps_rollup") * 1024
    }

    /// How long it has worked on any processor.
    func processorTime() throws -> Duration {
        // Behind the name, which may have anything in it, the 12th and 13th fields are ticks in user and in kernel mode.
        let stat = try String(contentsOfFile: "/proc/\(processID)/stat", encoding: .utf8)
        let fields = stat.split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Double(fields[11]), let kernel = Double(fields[12]) else {
            throw BenchmarkFailure("/proc/\(processID)/stat does not tell the time")
        }
        return .seconds((user + kernel) / Double(sysconf(Int32(_SC_CLK_TCK))))
    }

    /// How often each thread gave up the processor, willingly or not: each time it had been woken before.
    func switches() throws -> [String: Int64] {
        var switches: [String: Int64] = [:]
        for thread in try FileManager.default.contentsOfDirectory(atPath: "/proc/\(processID)/task") {
            // A thread may end between the listing and the reading.
            guard let status = try? text("task/\(thread)/status") else { continue }
            switches[thread] =
                (Self.number("voluntary_ctxt_switches", in: status) ?? 0)
                + (Self.number("nonvoluntary_ctxt_switches", in: status) ?? 0)
        }
        return switches
    }

    private func kilobytes(_ name: String, in file: String) throws -> Int64 {
        guard let number = Self.number(name, in: try text(file)) else {
            throw BenchmarkFailure("/proc/\(processID)/\(file) does not tell \(name)")
        }
        return number
    }

    private func text(_ file: String) throws -> String {
        guard let bytes = FileManager.default.contents(atPath: "/proc/\(processID)/\(file)") else {
            throw BenchmarkFailure("/proc/\(processID)/\(file) cannot be read")
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The number in a line `NAME: NUMBER kB`.
    private static func number(_ name: String, in text: String) -> Int64? {
        for line in text.split(separator: "\n") where line.hasPrefix("\(name):") {
            return line.dropFirst(name.count + 1).split(whereSeparator: \.isWhitespace).first.flatMap { Int64($0) }
        }
        return nil
    }
}

/// Counts the wake-ups of a process over a while, threads that come and go included.
struct WakeUpCount {
    private let figures: ProcessFigures
    private var last: [String: Int64]
    /// How many there have been.
    private(set) var total: Int64 = 0

    init(processID: Int32) throws {
        figures = ProcessFigures(processID: processID)
        last = try figures.switches()
    }

    /// Looks again; to be called often, as what a thread did between two looks and its end is not seen.
    mutating func look() throws {
        let now = try figures.switches()
        for (thread, count) in now { total += count - (last[thread] ?? 0) }
        // To end, a thread had to run.
        total += Int64(last.keys.count { now[$0] == nil })
        last = now
    }
}
