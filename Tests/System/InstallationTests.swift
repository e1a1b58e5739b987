import Command
import Testing

/// What "make install" puts into a system, and what systemd thinks of it.
@Suite(
    "make install", .serialized, .whereMachinesBoot, .machine(startsPostgreSQL: false), .timeLimit(.minutes(3)))
struct InstallationTests {
    @Test("a folder gets the files, without an existing configuration being touched")
    func intoFolder() async throws {
        let machine = try BootedMachine.current
        try await machine.push("mine", to: "/srv/image/etc/pgcaretaker/pgcaretaker.toml", mode: "600")
        try await machine.push(file: MachineEnvironment.program, to: "/root/pgcaretaker", mode: "755")
        let output = try await machine.demand(
            "make", "-C", "/usr/src/pgcaretaker", "install", "DESTDIR=/srv/image", "PREFIX=/opt/caretaker",
            "BINARY=/root/pgcaretaker")

        #expect(output.contains("pgcaretaker.toml is kept as it is"))
        #expect(try await machine.pull("/srv/image/etc/pgcaretaker/pgcaretaker.toml") == "mine")
        let files = try await machine.listing("/srv/image").map { line in
            let fields = line.split(separator: " ", maxSplits: 4)
            return "\(fields[0]) \(fields[1]) \(fields[4])"
        }
        for file in [
            "f 755 opt/caretaker/bin/pgcaretaker",
            "f 644 opt/caretaker/lib/systemd/system/pgcaretaker.service",
            "f 644 opt/caretaker/lib/systemd/catalog/pgcaretaker.catalog",
            "f 644 opt/caretaker/lib/sysusers.d/pgcaretaker.conf",
            "f 644 opt/caretaker/lib/tmpfiles.d/pgcaretaker.conf",
            "d 755 etc/pgcaretaker/conf.d", "f 644 etc/pgcaretaker/grants.sql",
            "f 644 opt/caretaker/share/doc/pgcaretaker/examples/pgcaretaker.toml",
        ] {
            #expect(files.contains(file), "\(file) is not among \(files)")
        }
        let unit = try await machine.pull("/srv/image/opt/caretaker/lib/systemd/system/pgcaretaker.service")
        #expect(unit.contains("ExecStart=/opt/caretaker/bin/pgcaretaker daemon\n"))
        #expect(unit.contains("ExecReload=/opt/caretaker/bin/pgcaretaker check"))
        #expect(!unit.contains("=/usr/bin/"))
        let catalogue = try await machine.pull("/srv/image/opt/caretaker/lib/systemd/catalog/pgcaretaker.catalog")
        #expect(catalogue.contains("Documentation: file:/opt/caretaker/share/doc/pgcaretaker/README.md\n"))
        #expect(!catalogue.contains("file:/usr/"))
        // Whatever DESTDIR gets, this system got nothing.
        #expect(try await machine.run("id", "pgcaretaker").status == 1)
    }

    @Test("the system itself gets its user, its folders, its catalogue and a unit that systemd knows")
    func intoSystem() async throws {
        let machine = try BootedMachine.current
        try await machine.install()
        #expect(try await machine.property("LoadState", of: "pgcaretaker.service") == "loaded")
        #expect(try await machine.property("UnitFileState", of: "pgcaretaker.service") == "disabled")
        #expect(
            try await machine.demand("stat", "-c", "%a %U:%G", "/var/backups/pgcaretaker")
                == "700 pgcaretaker:pgcaretaker\n")
        #expect(
            try await machine.demand("stat", "-c", "%a %U:%G", "/etc/pgcaretaker/pgcaretaker.toml")
                == "640 root:pgcaretaker\n")
        #expect(try await machine.demand("getent", "passwd", "pgcaretaker").hasSuffix(":/usr/sbin/nologin\n"))
        #expect(
            try await machine.demand("journalctl", "--list-catalog", "6230fab2201a4ce6aad17998f3e05eae")
                .contains("pgcaretaker"))
        try await machine.demand("pgcaretaker", "--help")

        try await machine.demand("make", "-C", "/usr/src/pgcaretaker", "uninstall", "PREFIX=/usr")
        #expect(try await machine.property("LoadState", of: "pgcaretaker.service") == "not-found")
        #expect(try await machine.run("test", "-e", "/etc/pgcaretaker/pgcaretaker.toml").status == 0)
    }

    @Test("systemd-analyze finds no fault with the units, and the sandbox closed")
    func analysed() async throws {
        let machine = try BootedMachine.current
        try await machine.install()
        let example = "/usr/share/doc/pgcaretaker/examples/pgcaretaker-failure@.service.example"
        try await machine.demand("cp", example, "/etc/systemd/system/pgcaretaker-failure@.service")
        let verdict = try await machine.run(
            "systemd-analyze", "verify", "pgcaretaker.service", "pgcaretaker-failure@x.service")
        #expect(verdict == CommandResult(status: 0, standardOutput: "", standardError: ""))

        let exposure = try await machine.run(
            "systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=15",
            "/usr/lib/systemd/system/pgcaretaker.service")
        #expect(exposure.status == 0, "\(exposure.standardOutput)")
    }
}
