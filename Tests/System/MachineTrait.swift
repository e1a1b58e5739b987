import Testing

/// Boots one machine for all tests of a suite, which find it as `BootedMachine.current`, and powers it off after them.
///
/// Without the tree (see the script `make-tree`) the suite does not run.
struct MachineTrait: SuiteTrait, TestScoping {
    var options: BootedMachine.Options

    /// What is done with the machine before the first test gets it.
    var prepare: @Sendable (BootedMachine) async throws -> Void = { _ in }

    /// The tests of the suite, not each of them, are what the machine is booted for.
    var isRecursive: Bool { false }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing body: @Sendable () async throws -> Void
    ) async throws {
        guard MachineEnvironment.tree != nil else { return try await body() }
        await MachinePlaces.shared.take()
        do {
            try await BootedMachine.withMachine(options) { machine in
                try await prepare(machine)
                try await BootedMachine.$onLoan.withValue(machine) { try await body() }
            }
        } catch {
            await MachinePlaces.shared.giveBack()
            throw error
        }
        await MachinePlaces.shared.giveBack()
    }
}

/// How many machines suites may have at once. The kernel allows a user 128 inotify(7) instances on all of them together,
/// of which each machine needs some ten; beyond that journalctl cannot wait for entries.
private actor MachinePlaces {
    static let shared = MachinePlaces()

    private var free = 4
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func take() async {
        guard free == 0 else { return free -= 1 }
        await withCheckedContinuation { waiting.append($0) }
    }

    func giveBack() {
        // A place goes to the next in line without ever being free.
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
}

extension Trait where Self == MachineTrait {
    /// One machine for the suite.
    static func machine(startsPostgreSQL: Bool = true) -> Self {
        MachineTrait(options: .init(startsPostgreSQL: startsPostgreSQL))
    }
}

extension Trait where Self == ConditionTrait {
    /// Only where `make test` has prepared a tree to boot.
    static var whereMachinesBoot: Self {
        .enabled(if: MachineEnvironment.tree != nil, "needs PGCARETAKER_SYSTEM_TREE: run make test-system")
    }
}
