import Synchronization
import Testing

@testable import Daemon

@Suite("The status line and a host's share of a splay")
struct StatusLineTests {
    @Test("the first is shown at once, and of many that follow within a second only the last")
    func folded() async throws {
        let lines = AsyncStream.makeStream(of: String.self)
        let status = StatusLine { lines.continuation.yield($0) }
        for number in 0...100 { status.show("\(number)") }
        var shown: [String] = []
        for await line in lines.stream {
            shown.append(line)
            if shown.count == 2 { break }
        }
        #expect(shown == ["0", "100"])
    }

    @Test("a share is the same each time, within the splay, and spread over hosts and jobs")
    func splay() {
        let shares = (0..<1000).map { Splay.share(of: .seconds(600), job: "backup", machine: "machine-\($0)") }
        #expect(shares == (0..<1000).map { Splay.share(of: .seconds(600), job: "backup", machine: "machine-\($0)") })
        #expect(shares.allSatisfy { $0 >= .zero && $0 < .seconds(600) })
        // Of a thousand hosts a tenth in each tenth of the time, give or take what chance does.
        for tenth in 0..<10 {
            let count = shares.count { $0 >= .seconds(tenth * 60) && $0 < .seconds(tenth * 60 + 60) }
            #expect((60...140).contains(count), "\(count) in the \(tenth)th")
        }
        #expect(Set((0..<50).map { Splay.share(of: .seconds(3600), job: "job-\($0)", machine: "m") }).count > 40)
    }
}
