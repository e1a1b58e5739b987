/// A folder of client programs whose pg_dump, as long as a file exists, writes the beginning of a dump and then hangs.
struct HangingDump: Sendable {
    static let directory = "/opt/hanging"
    /// What switches the fault on; the service can read it.
    private static let fault = "/etc/pgcaretaker/hang"
    private static let identifier = "hanging-dump"

    let machine: BootedMachine

    /// Makes the folder, with the fault on.
    ///
    /// - Parameter isStubborn: whether the program and its child ignore SIGTERM.
    static func install(on machine: BootedMachine, isStubborn: Bool = false) async throws -> HangingDump {
        try await machine.push(
            """
            #!/bin/sh
            real=$(echo /usr/lib/postgresql/*/bin)/pg_dump
            if [ "$1" = --version ] || [ ! -e \(fault) ]; then exec "$real" "$@"; fi
            \(isStubborn ? "trap '' TERM" : ":")
            "$real" "$@" | head -c 4096
            logger -t \(identifier) "half of a dump is written"
            sleep 1000 &
            wait
            """, to: "\(directory)/pg_dump", mode: "755")
        try await machine.demand("sh", "-euc", "ln -sf /usr/lib/postgresql/*/bin/pg_restore \(directory)/; touch \(fault)")
        return HangingDump(machine: machine)
    }

    /// Waits until it hangs.
    func awaitHanging(after cursor: String) async throws {
        _ = try await machine.awaitEntry("SYSLOG_IDENTIFIER=\(Self.identifier)", after: cursor)
    }

    /// From now on it dumps as it should; what hangs already goes on hanging.
    func mend() async throws {
        try await machine.demand("rm", "-f", Self.fault)
    }
}
