import Command
import Foundation
import Testing

/// What the other suites rely on: a machine boots, answers, and is gone without a trace.
@Suite("a booted machine", .whereMachinesBoot, .machine(), .timeLimit(.minutes(3)))
struct BootedMachineTests {
    @Test("systemd is its first process and all of its units are well")
    func runs() async throws {
        let machine = try BootedMachine.current
        #expect(try await machine.run("systemctl", "is-system-running").standardOutput == "running\n")
        #expect(try await machine.demand("cat", "/proc/1/comm") == "systemd\n")
        #expect(try await machine.demand("hostname") == machine.name + "\n")
    }

    @Test("a command's status, output and errors come back apart")
    func results() async throws {
        let machine = try BootedMachine.current
        let result = try await machine.run("sh", "-c", "id -un; echo wrong >&2; exit 3", as: "postgres")
        #expect(result == CommandResult(status: 3, standardOutput: "postgres\n", standardError: "wrong\n"))
        await #expect(throws: CommandFailure.self) { try await machine.demand("false") }
    }

    @Test("files go in and come out")
    func files() async throws {
        let machine = try BootedMachine.current
        try await machine.push("one\ntwo", to: "/srv/files/a b", mode: "640", owner: "postgres:daemon")
        #expect(try await machine.pull("/srv/files/a b") == "one\ntwo")
        #expect(try await machine.listing("/srv/files") == ["f 640 postgres:daemon 7 a b"])
    }

    @Test("its PostgreSQL answers over the socket and holds UTF-8")
    func postgreSQL() async throws {
        let machine = try BootedMachine.current
        try await machine.startPostgreSQL()
        #expect(
            try await machine.sql("SHOW server_encoding; SELECT 'Größe', inet_server_addr() IS NULL") == "UTF8\nGröße|t"
        )
    }

    @Test("an entry of the journal is found with its fields, and only after the place it was looked for from")
    func journal() async throws {
        let machine = try BootedMachine.current
        try await machine.demand("logger", "-t", "harness", "-p", "user.warning", "before")
        let end = try await machine.journalEnd()
        try await machine.demand("logger", "-t", "harness", "-p", "user.warning", "after")
        #expect(try await machine.journal("SYSLOG_IDENTIFIER=harness").map(\.message) == ["before", "after"])
        let late = try await machine.journal("SYSLOG_IDENTIFIER=harness", after: end)
        #expect(late.map(\.message) == ["after"])
        #expect(late.first?.priority == 4)
    }

    @Test("an entry that is still to come is waited for")
    func awaited() async throws {
        let machine = try BootedMachine.current
        let end = try await machine.journalEnd()
        async let entry = machine.awaitEntry("SYSLOG_IDENTIFIER=awaited", after: end) { $0.message == "third" }
        for message in ["first", "second", "third"] { try await machine.demand("logger", "-t", "awaited", message) }
        #expect(try await entry.message == "third")

        try await machine.demand("systemd-run", "--unit", "brief", "true")
        try await machine.awaitEvent(.started, of: "brief.service", after: end)
    }

    @Test("an entry that does not come ends the wait at its deadline")
    func deadline() async throws {
        let machine = try BootedMachine.current
        await #expect(throws: MachineError.self) {
            try await machine.awaitEntry("SYSLOG_IDENTIFIER=nobody", deadline: .milliseconds(300))
        }
    }

    @Test("it has a loopback device and no other")
    func network() async throws {
        let machine = try BootedMachine.current
        #expect(try await machine.demand("ls", "/sys/class/net") == "lo\n")
    }
}

/// How a machine ends.
@Suite("the end of a machine", .whereMachinesBoot, .timeLimit(.minutes(3)))
struct MachineEndTests {
    /// Why a body was left.
    private struct Left: Error {}

    @Test("nothing remains of it after its body returns")
    func poweredOff() async throws {
        let machine = try await BootedMachine.withMachine(.init(startsPostgreSQL: false)) { machine in
            let question = try await machine.run("psql", "-c", "SELECT", as: "postgres")
            #expect(question.status == 2, "PostgreSQL was to be stopped: \(question)")
            #expect(!remains(of: machine).isEmpty, "this test does not see a machine that runs")
            return machine
        }
        #expect(remains(of: machine) == [])
    }

    @Test("nothing remains of it after its body throws")
    func abandoned() async throws {
        var left: BootedMachine?
        await #expect(throws: Left.self) {
            try await BootedMachine.withMachine(.init(startsPostgreSQL: false)) { machine in
                left = machine
                throw Left()
            }
        }
        let machine = try #require(left)
        #expect(remains(of: machine) == [])
    }

    @Test("two of them do not know of each other")
    func two() async throws {
        try await BootedMachine.withMachine(.init(startsPostgreSQL: false)) { first in
            try await BootedMachine.withMachine(.init(startsPostgreSQL: false)) { second in
                try await first.push("first", to: "/etc/mark")
                let file = try await second.run("cat", "/etc/mark")
                #expect(file.status == 1)
                try await second.demand("systemd-run", "--unit", "mark", "sleep", "infinity")
                let unit = try await first.run("systemctl", "is-active", "mark")
                #expect(unit.standardOutput == "inactive\n")
            }
            let state = try await first.run("systemctl", "is-system-running")
            #expect(state.standardOutput == "running\n")
        }
    }

    /// What this host still knows of a machine: its first process, and its folders and control groups.
    private func remains(of machine: BootedMachine) -> [String] {
        let files = FileManager.default
        var remains: [String] = []
        if files.fileExists(atPath: "/proc/\(machine.leader)") { remains.append("process \(machine.leader)") }
        let folders = [
            NSTemporaryDirectory(), "/tmp", "/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified",
        ]
        for folder in folders {
            let names = (try? files.contentsOfDirectory(atPath: folder)) ?? []
            remains += names.filter { $0.hasPrefix(machine.name) }.map { "\(folder)/\($0)" }
        }
        if MachineEnvironment.kernelFile("/proc/self/mountinfo").contains(machine.name) { remains.append("a mount") }
        return remains
    }
}
