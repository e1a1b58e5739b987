/// Carries a ``PruningPlan`` out.
package struct BackupPruner: Sendable {
    /// What became of a plan.
    package struct Outcome: Sendable, Hashable {
        /// What was deleted.
        package var removed: [Backup] = []
        /// What could not be, and why.
        package var failures: [Failure] = []
    }

    /// A backup that could not be deleted.
    package struct Failure: Sendable, Hashable {
        /// The backup.
        package let backup: Backup
        /// Why, lower case, no final stop.
        package let reason: String
    }

    /// Identifies who deletes, in the names of what is being deleted.
    package let run: String

    /// A pruner for a run.
    package init(run: String) {
        self.run = run
    }

    /// Deletes what the plan says, dump and manifest together. One that cannot be deleted does not keep the others.
    package func carryOut(_ plan: PruningPlan) async -> Outcome {
        await BlockingWork.run { () throws(Never) in
            var outcome = Outcome()
            for backup in plan.removals {
                do throws(FileFailure) {
                    try BackupRemoval(backup: backup, run: run).remove()
                    outcome.removed.append(backup)
                } catch {
                    outcome.failures.append(Failure(backup: backup, reason: error.description))
                }
            }
            return outcome
        }
    }
}
