import Foundation

/// This host's share of a job's splay: the same after every restart, another one on every host and for every job.
enum Splay {
    private static let machine: String =
        (try? String(contentsOfFile: "/etc/machine-id", encoding: .utf8))?.trimmingCharacters(in: .whitespacesAndNewlines)
        ?? ProcessInfo.processInfo.hostName

    /// A whole number of seconds from zero to less than the splay.
    static func share(of splay: Duration, job: String, machine: String = machine) -> Duration {
        let seconds = UInt64(max(splay.components.seconds, 1))
        return .seconds(Int64(hash("\(machine) \(job)") % seconds))
    }

    /// FNV-1a, then mixed, so that names that differ in their last letter are far apart. Swift's own hash is another one in every
    /// process.
    private static func hash(_ text: String) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        hash = (hash ^ (hash >> 33)) &* 0xFF51_AFD7_ED55_8CCD
        return hash ^ (hash >> 33)
    }
}
