import History
import Report
import Schedule
import Scheduler
import Testing

@Suite("The report of a simulation")
struct SimulationReportTests {
    let start = Instant(secondsSinceEpoch: 1_767_225_600)  // 2026-01-01T00:00:00Z

    @Test("a backup that never comes to its turn is the longest time without a backup")
    func neverRuns() throws {
        let key = JobKey(job: "nightly", database: "main")
        let plan = JobPlan(
            key: key, schedule: ZonedSchedule(expression: try CronExpression("0 2 * * *"), zone: .utc), catchesUp: true,
            catchUpWithin: nil, retries: 0, retryDelay: .seconds(60), window: DailyWindow("03:00-04:00"))
        let end = start + .seconds(3 * 86400)
        let simulation = Simulation([plan], durations: [:], maxParallel: 2, from: start, through: end)
        #expect(simulation.runs.isEmpty && simulation.skipped.count == 3)
        let report = SimulationReport(simulation, durations: [:], backups: ["nightly"], from: start, through: end, zone: .utc)
        #expect(report.gaps.map(\.key) == [key])
        #expect(report.gaps.first?.from == start && report.gaps.first?.through == end)
    }
}
