import Command
import Foundation
import Synchronization

extension BootedMachine {
    /// What a machine is like when the test gets it.
    struct Options: Sendable {
        /// Whether PostgreSQL starts with the machine; otherwise it is there but stopped. It makes the boot 2 s longer.
        var startsPostgreSQL = true
    }

    /// Boots a machine, runs a body with it, and powers it off. When this returns or throws, nothing of it remains.
    static func withMachine<Value>(
        _ options: Options = Options(), _ body: (BootedMachine) async throws -> Value
    ) async throws -> Value {
        guard let tree = MachineEnvironment.tree else { throw MachineError("PGCARETAKER_SYSTEM_TREE is not set") }
        let name = "pgcaretaker-\(UUID().uuidString.prefix(8).lowercased())"
        let console = MachineConsole()
        let lifeline = try Lifeline()
        var boot = Pipeline([
            Program(
                executable: "\(MachineEnvironment.folder)/boot",
                arguments: [tree, name, MachineEnvironment.repository, MachineEnvironment.swiftLibraries ?? ""],
                environment: MachineEnvironment.variables.merging(
                    ["BOOT_POSTGRESQL": options.startsPostgreSQL ? "auto" : "manual"], uniquingKeysWith: { $1 }))
        ])
        // Cancelled, it ends the machine at once; that takes a moment on a busy host.
        boot.terminationGrace = .seconds(20)

        // If anything below throws, this task is cancelled and waited for: no machine outlives its test.
        async let end = console.watch(boot, lifeline: lifeline)
        let machine = BootedMachine(name: name, leader: try await console.leader())
        let state = try await machine.run("systemctl", "is-system-running", "--wait")
        guard state.status == 0 else {
            let failed = try await machine.run("systemctl", "--no-pager", "list-units", "--failed")
            throw MachineError("the machine came up \(state.standardOutput)\(failed.standardOutput)")
        }
        let value = try await body(machine)
        try await machine.powerOff()
        let result = try await end
        guard result.firstFailure == nil else {
            throw MachineError("the machine did not end well: \(result.stages)\n\(console.text)")
        }
        return value
    }

    /// Asks the machine to power itself off; it is gone once ``withMachine(_:_:)`` returns.
    private func powerOff() async throws {
        // systemd may be gone before systemctl has its answer.
        _ = try await run("systemctl", "poweroff")
    }
}

/// The machine's console, which also tells when it is up.
private final class MachineConsole: Sendable {
    private let collected = Collected()
    private let splitter = LineSplitter()
    private let lines = AsyncStream.makeStream(of: String.self)

    /// All that the machine has printed.
    var text: String { collected.text }

    /// Runs the boot script to its end and listens to it.
    func watch(_ boot: Pipeline, lifeline: Lifeline) async throws -> PipelineResult {
        defer {
            lines.continuation.finish()
            lifeline.close()
        }
        return try await boot.run(
            input: .file(lifeline.path),
            output: .stream { [self] bytes in
                collected.append(bytes)
                for line in splitter.take(bytes) { lines.continuation.yield(line) }
            },
            onErrorLine: { [collected] _, line in collected.append(line + "\n") })
    }

    /// Waits until the machine is up, and gives its first process.
    func leader() async throws -> Int32 {
        var script: Int32?
        for await line in lines.stream {
            if line.hasPrefix("boot "), script == nil { script = Int32(line.dropFirst(5)) }
            guard line == "machine is up" else { continue }
            guard let script, let leader = Self.machine(below: script) else { break }
            return leader
        }
        throw MachineError("the machine did not boot:\n\(text)")
    }

    /// The first process of the machine: the child of the systemd-nspawn that descends from this process.
    private static func machine(below process: Int32) -> Int32? {
        for child in children(of: process) {
            if MachineEnvironment.kernelFile("/proc/\(child)/comm") == "systemd-nspawn\n" {
                return children(of: child).first
            }
            if let machine = machine(below: child) { return machine }
        }
        return nil
    }

    private static func children(of process: Int32) -> [Int32] {
        MachineEnvironment.kernelFile("/proc/\(process)/task/\(process)/children")
            .split(separator: " ").compactMap { Int32($0) }
    }
}

/// A pipe that nobody writes to. The machine ends when our end of it is closed, be it by the death of this process.
private final class Lifeline: Sendable {
    private let ends: Mutex<[Int32]>

    /// The end to read from, as a file of this process.
    let path: String

    init() throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw MachineError("pipe: \(String(cString: strerror(errno)))") }
        // A program that inherited the other end would keep the machine alive.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        path = "/proc/self/fd/\(ends[0])"
        self.ends = Mutex(ends)
    }

    deinit { close() }

    func close() {
        ends.withLock { ends in
            for end in ends { _ = Foundation.close(end) }
            ends = []
        }
    }
}
