import Configuration
import History
import Jobs
import Schedule
import Scheduler

extension JobPlan {
    /// What the scheduler must know of every job that is enabled, once for each of its databases.
    package static func plans(of configuration: Configuration) -> [JobPlan] {
        let names = Dictionary(configuration.jobs.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        return configuration.jobs.filter(\.isEnabled).flatMap { job in
            job.databases.map { database in
                JobPlan(
                    key: JobKey(job: job.name, database: database), schedule: job.schedule, catchesUp: job.catchesUp,
                    catchUpWithin: job.catchUpWithin, retries: job.retries, retryDelay: job.retryDelay,
                    splay: job.splay.map { Splay.share(of: $0, job: job.name) } ?? .zero, window: job.window,
                    group: job.group, after: job.after.flatMap { names[$0] }.flatMap { predecessor($0, of: database) },
                    isDestructive: type(of: job.job).isDestructive)
            }
        }
    }

    /// The job to run after, on the same database if it works on that.
    private static func predecessor(_ job: JobConfiguration, of database: String) -> JobKey? {
        let chosen = job.databases.contains(database) ? database : job.databases.first
        return chosen.map { JobKey(job: job.name, database: $0) }
    }
}
