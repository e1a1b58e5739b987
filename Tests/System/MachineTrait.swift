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
        try await BootedMachine.withMachine(options) { machine in
            try await prepare(machine)
            try await BootedMachine.$onLoan.withValue(machine) { try await body() }
        }
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
