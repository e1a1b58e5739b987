/// Every kind of job that the configuration can name.
package enum JobKinds {
    /// The catalogue: one line for each kind.
    package static let all: [any Job.Type] = [
        RetentionJob.self,
        TokenPurgeJob.self,
        BackupJob.self,
        TableSizesJob.self,
    ]

    /// The kind of that name.
    package static func named(_ kind: String) -> (any Job.Type)? {
        all.first { $0.kind == kind }
    }
}
