/// The kinds of events that the journal tells apart, each with its own MESSAGE_ID.
///
/// A log line says which one it is by the metadata key `event` with the raw value. The identifiers are random, made
/// once, and frozen: people filter and alert by them. Each has its explanation in the message catalogue,
/// `systemd/pgcaretaker.catalog`.
package enum JournalEvent: String, CaseIterable, Sendable {
    /// The scheduler is armed; the daemon is ready.
    case daemonStarted = "daemon-started"
    /// The daemon cannot start, for another reason than its configuration.
    case startFailed = "start-failed"
    /// A stop was asked for; running jobs are brought to an end.
    case daemonStopping = "daemon-stopping"
    /// The daemon has come to its end.
    case daemonStopped = "daemon-stopped"
    /// A configuration is in force for the first time.
    case configurationLoaded = "configuration-loaded"
    /// A configuration has errors; on reload the one before stays.
    case configurationRefused = "configuration-refused"
    /// A changed configuration took the place of the one before.
    case configurationReloaded = "configuration-reloaded"
    /// A run of a job began.
    case runStarted = "run-started"
    /// A run of a job did what it was to do.
    case runSucceeded = "run-succeeded"
    /// A run of a job failed.
    case runFailed = "run-failed"
    /// A run was ended before it was done, on request.
    case runCancelled = "run-cancelled"
    /// A run took longer than its timeout.
    case runTimedOut = "run-timed-out"
    /// A due run did not take place, for a reason that is recorded.
    case runSkipped = "run-skipped"
    /// A failed run will be tried again.
    case retryScheduled = "retry-scheduled"
    /// The last retry failed too.
    case retriesExhausted = "retries-exhausted"
    /// A scheduled instant passed without a run.
    case fireMissed = "fire-missed"
    /// A missed run is made up for.
    case catchUp = "catch-up"
    /// The system clock was set.
    case clockChanged = "clock-changed"
    /// The clock shows a time before one that was already recorded.
    case clockBehind = "clock-behind"
    /// No connection to the database can be had.
    case databaseUnreachable = "database-unreachable"
    /// The database can be reached again.
    case databaseBack = "database-back"
    /// A complete backup bears its name.
    case backupPublished = "backup-published"
    /// An old backup was deleted, as its retention says.
    case backupPruned = "backup-pruned"
    /// A backup is damaged or cannot be restored.
    case backupVerificationFailed = "backup-verification-failed"
    /// Backups are not pruned until somebody has had a look.
    case backupFreeze = "backup-freeze"
    /// A disk that the caretaker writes to is filling up.
    case diskSpaceLow = "disk-space-low"
    /// A table or the database grew past a limit.
    case thresholdCrossed = "threshold-crossed"
    /// What had grown past a limit is below it again.
    case thresholdCleared = "threshold-cleared"
    /// The history cannot be read or written.
    case historyUnavailable = "history-unavailable"
    /// A new, empty history took the place of a damaged one.
    case historyRebuilt = "history-rebuilt"
    /// The history was taken back from a copy.
    case historyRestored = "history-restored"
    /// The stop waits for a job.
    case stopDelayed = "stop-delayed"
    /// The scheduler makes no progress; no sign of life is sent.
    case watchdogStalled = "watchdog-stalled"
    /// Rows that are old enough were kept, on purpose.
    case rowsProtected = "rows-protected"
    /// The application's schema is being migrated.
    case migrationRunning = "migration-running"
    /// There is a connection pooler between us and the server.
    case poolerDetected = "pooler-detected"
    /// Something an interrupted run left behind was removed.
    case leftoverRemoved = "leftover-removed"
    /// A program that a job runs warned of something.
    case programWarning = "program-warning"
    /// Something in the configuration is allowed but perhaps not meant.
    case configurationWarning = "configuration-warning"

    /// The MESSAGE_ID: 128 bits in 32 lower case hexadecimal digits (sd-id128(3)).
    package var messageID: String {
        switch self {
        case .startFailed: "824503314c4a4733a8f41a3e7f92e372"
        case .daemonStarted: "6230fab2201a4ce6aad17998f3e05eae"
        case .daemonStopping: "8b10bdec36b2418fba5b54406724a666"
        case .daemonStopped: "1e1a54ab813144c799f22bc8050ace48"
        case .configurationLoaded: "d937cad5b9154e5e90de1a03ad4e4fff"
        case .configurationRefused: "6c45329732364d57801bb6abb09efa57"
        case .configurationReloaded: "2d22b3ee7ed44e4d8acd1b945900580c"
        case .runStarted: "a16139be99424297a724f6bc9b2fdae3"
        case .runSucceeded: "a093080df87a410cb90002377258f8fb"
        case .runFailed: "22549bd11a064b22a916bde488e1a0d2"
        case .runCancelled: "3b8047d493254017a6e138cfbc680809"
        case .runTimedOut: "20d33e36593f4f6bae96b1dfa3059e6a"
        case .runSkipped: "1b2297af60384b128d206794d3f9cf20"
        case .retryScheduled: "c7fbadeecdd14a639ed4f5b6917fd8a9"
        case .retriesExhausted: "beaed9852ae748b39539fcb2444cd3e9"
        case .fireMissed: "49511f884712409b9ce5098bba1e3268"
        case .catchUp: "dce7917c30974bef9989aa2fa91154d7"
        case .clockChanged: "fad63dab39ad44d688dac45219ace8a4"
        case .clockBehind: "d95fc8475f714ae0bb958bbe91b0f540"
        case .databaseUnreachable: "ac365c182f3f495b85d52a7f7522e161"
        case .databaseBack: "1ab59cb204af4175a3f45207e345814a"
        case .backupPublished: "d593999df7134b649336ada669050641"
        case .backupPruned: "2e434bb807404916836d9622f51f191f"
        case .backupVerificationFailed: "0be0e798b721483aad61c8e9bd375f6e"
        case .backupFreeze: "f9b3ebc4afd14bf09cc94c3198600990"
        case .diskSpaceLow: "fe900393fa6c42cf9bfdb1a02553ace2"
        case .thresholdCrossed: "d849ec94fb8045639056ff457dca85dc"
        case .thresholdCleared: "9828e6171a19419699880fe0afdbf0ae"
        case .historyUnavailable: "38e1f6cb284d4ea594b02d302bef6345"
        case .historyRebuilt: "01cf8ae947f3425cb6dac0e32883bf65"
        case .historyRestored: "b8aa638e2f534a2baf7f765878c80c5b"
        case .stopDelayed: "d86218ceea404bca9568681c8c7dae51"
        case .watchdogStalled: "50ede622f1d744b599409ea32e332662"
        case .rowsProtected: "59c6571d233f4748b9c0ac39191903e3"
        case .migrationRunning: "9fe0108fbf1d4b5ca65b629b9ed199c8"
        case .poolerDetected: "f583dcf09ca84c3faed3fdd127fa3346"
        case .leftoverRemoved: "80cf3a7d1b2640ddaa039a02b0d2c847"
        case .programWarning: "cc88e42a2e5b4bdfb3ac2f57acbeb27e"
        case .configurationWarning: "0a3a86411433415597eb162f5763a734"
        }
    }
}
