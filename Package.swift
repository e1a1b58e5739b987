// swift-tools-version: 6.2

import PackageDescription

/// Strictness of the compiler, the same in every target.
let strict: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
    ] + (Context.environment["PGCARETAKER_STRICT"] == "1" ? [.treatAllWarnings(as: .error)] : [])

let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let toml = Target.Dependency.product(name: "TOMLKit", package: "TOMLKit")
let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")

/// A room of the house. `needs` names only rooms below it.
func room(_ name: String, needs: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: needs, swiftSettings: strict)
}

/// The tests of a room, in a folder of that name under Tests.
func tests(_ name: String, needs: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: needs, swiftSettings: strict)
}

let package = Package(
    name: "pgcaretaker",
    products: [.executable(name: "pgcaretaker", targets: ["pgcaretaker"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-system", exact: "1.8.1"),
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        .package(url: "https://github.com/LebJe/TOMLKit", exact: "0.6.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", exact: "1.0.2", traits: []),
    ],
    targets: [
        .executableTarget(
            name: "pgcaretaker",
            dependencies: [
                "CQuietDispatch", "Command", "Configuration", "Daemon", "History", "Jobs", "Postgres", "Report", "Schedule",
                "Scheduler", "Systemd", arguments, logging, signals,
            ],
            swiftSettings: strict,
            // Why: see Sources/CQuietDispatch.
            linkerSettings: [
                .unsafeFlags([
                    "-Xlinker", "--wrap=_dispatch_workq_worker_register",
                    "-Xlinker", "--wrap=_dispatch_workq_worker_unregister",
                ])
            ]),
        .executableTarget(
            name: "Benchmarks",
            dependencies: [
                "Command", "Configuration", "Daemon", "History", "Jobs", "Postgres", "Report", "Schedule", arguments, signals,
            ],
            path: "Benchmarks", swiftSettings: strict),
        room(
            "Daemon",
            needs: [
                "CLinux",
                "Configuration", "History", "Jobs", "Postgres", "Schedule", "Scheduler", "Systemd", lifecycle, signals,
                logging,
            ]),
        room("Report", needs: ["Configuration", "History", "Jobs", "Schedule", "Scheduler"]),
        room("Configuration", needs: ["Command", "Jobs", "Postgres", "Schedule", toml]),
        room("Jobs", needs: ["CLinux", "Command", "History", "Postgres", "Schedule", crypto, logging, system]),
        room("Scheduler", needs: ["CLinux", "Command", "History", "Schedule", heap]),
        room("History", needs: ["Schedule", grdb]),
        room("Schedule"),
        room("Postgres", needs: ["CLibpq", "Command"]),
        room("Command", needs: ["CLinux", subprocess, system]),
        room("Systemd", needs: ["CSystemd", logging]),
        .target(name: "CQuietDispatch"),
        .systemLibrary(name: "CLinux"),
        .systemLibrary(name: "CLibpq", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CSystemd", pkgConfig: "libsystemd", providers: [.apt(["libsystemd-dev"])]),
        .target(
            name: "TestSupport", dependencies: ["Command", "Postgres"], path: "Tests/Support", swiftSettings: strict),
        tests("ScheduleTests", needs: ["Command", "Schedule"]),
        tests("SchedulerTests", needs: ["History", "Schedule", "Scheduler", heap]),
        tests(
            "DaemonTests",
            needs: ["Configuration", "Daemon", "History", "Jobs", "Postgres", "Schedule", "TestSupport", logging]),
        tests("HistoryTests", needs: ["History", "Schedule", "TestSupport"]),
        tests("ConfigurationTests", needs: ["Configuration", "Jobs", "Schedule", "TestSupport"]),
        tests("ReportTests", needs: ["History", "Report", "Schedule", "Scheduler", "TestSupport"]),
        tests("CommandTests", needs: ["Command"]),
        tests("PostgresTests", needs: ["Command", "Postgres", "TestSupport"]),
        tests("SystemdTests", needs: ["Systemd", logging]),
        tests(
            "JobsTests",
            needs: ["Command", "History", "Jobs", "Postgres", "Schedule", "TestSupport", crypto, logging]),
        .testTarget(
            name: "IntegrationTests",
            dependencies: ["Command", "History", "Postgres", "TestSupport", "pgcaretaker"], path: "Tests/Integration",
            swiftSettings: strict),
        .testTarget(
            name: "SystemTests", dependencies: ["Command", "History", "Schedule", "Systemd"], path: "Tests/System",
            exclude: ["boot", "make-tree"], swiftSettings: strict),
    ]
)
