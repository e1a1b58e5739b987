/// How much room a backup will take, guessed before it is made.
struct SpaceNeed: Sendable, Hashable {
    /// What the guess rests on.
    enum Basis: Sendable, Hashable {
        /// The size of the last good backup of the same job and database.
        case lastBackup(Int64)
        /// The size of the database, where there is no backup yet.
        case database(Int64)
    }

    /// What the guess rests on.
    let basis: Basis
    /// Bytes.
    let bytes: Int64

    /// Guesses: a fifth more than the last time, and more still if the database has grown since; else a third of the database, since
    /// indexes are not dumped and rows shrink to a half and less.
    init(lastBackup: (size: Int64, databaseSize: Int64)?, databaseSize: Int64) {
        if let lastBackup {
            let growth = lastBackup.databaseSize > 0 ? Double(databaseSize) / Double(lastBackup.databaseSize) : 1
            basis = .lastBackup(lastBackup.size)
            bytes = Int64(Double(lastBackup.size) * 1.2 * max(1, growth))
        } else {
            basis = .database(databaseSize)
            bytes = databaseSize / 3
        }
    }

    /// Refuses if there is not enough room.
    ///
    /// - Throws: ``JobError`` of code `disk-full` with both numbers.
    func check(free: Int64, at directory: String) throws(JobError) {
        guard free < bytes else { return }
        let reason =
            switch basis {
            case .lastBackup(let size): "the last one has \(HumanText.bytes(size))"
            case .database(let size): "the database has \(HumanText.bytes(size))"
            }
        throw JobError(
            .diskFull,
            "\(HumanText.bytes(free)) are free at \(directory), but the backup needs about \(HumanText.bytes(bytes)) (\(reason))",
            hint: "Free space on that disk, keep fewer backups, or choose another folder.")
    }
}
