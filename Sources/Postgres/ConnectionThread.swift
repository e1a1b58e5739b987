import CLibpq
import Glibc

/// The thread that a connection blocks on, so that Swift's cooperative pool never waits for a server.
///
/// It is the serial executor of the connection's actor. The thread exists from the first piece of work until it is
/// retired; work that comes later (a call on a closed connection) gets a short-lived thread of its own, so that such a
/// call fails in order rather than hanging.
final class ConnectionThread: SerialExecutor, @unchecked Sendable {
    // @unchecked: `queue`, `isRetired` and `isRunning` are touched only while `lock` is held; the pointers never change.
    private enum Work {
        case job(UnownedJob)
        case block(@Sendable () -> Void)
    }

    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let wakeUp: UnsafeMutablePointer<pthread_cond_t>
    private var queue: [Work] = []
    private var isRetired = false
    private var isRunning = false

    init() {
        lock = .allocate(capacity: 1)
        wakeUp = .allocate(capacity: 1)
        pthread_mutex_init(lock, nil)
        pthread_cond_init(wakeUp, nil)
    }

    deinit {
        pthread_cond_destroy(wakeUp)
        pthread_mutex_destroy(lock)
        wakeUp.deallocate()
        lock.deallocate()
    }

    func enqueue(_ job: consuming ExecutorJob) {
        add(.job(UnownedJob(job)))
    }

    /// Runs a block after all that was given before.
    func run(_ block: @escaping @Sendable () -> Void) {
        add(.block(block))
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }

    /// Lets the thread end as soon as it has nothing left to do.
    func retire() {
        pthread_mutex_lock(lock)
        isRetired = true
        pthread_cond_signal(wakeUp)
        pthread_mutex_unlock(lock)
    }

    private func add(_ work: Work) {
        pthread_mutex_lock(lock)
        queue.append(work)
        let needsThread = !isRunning
        isRunning = true
        pthread_cond_signal(wakeUp)
        pthread_mutex_unlock(lock)
        guard needsThread else { return }
        // Where the system gives no thread (EAGAIN), the caller's does the work: slower for others, but never lost.
        if !startDetachedThread(named: "postgres", { self.work() }) { drain() }
    }

    /// The thread's whole life.
    private func work() {
        while let next = nextWork(waits: true) { perform(next) }
    }

    private func drain() {
        while let next = nextWork(waits: false) { perform(next) }
    }

    private func nextWork(waits: Bool) -> Work? {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        while queue.isEmpty {
            guard waits, !isRetired else {
                isRunning = false
                return nil
            }
            pthread_cond_wait(wakeUp, lock)
        }
        return queue.removeFirst()
    }

    private func perform(_ work: Work) {
        switch work {
        case .job(let job): job.runSynchronously(on: asUnownedSerialExecutor())
        case .block(let block): block()
        }
    }
}

/// Starts a thread that nobody joins and that no signal is delivered to; `false` if the system gives none.
func startDetachedThread(named name: String, _ body: @escaping @Sendable () -> Void) -> Bool {
    final class Body: Sendable {
        let name: String
        let run: @Sendable () -> Void
        init(name: String, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))

    // The thread inherits the mask that is in force when it is made, so that there is no moment in which it could
    // receive a signal that the main program waits for.
    var everything = sigset_t()
    var previous = sigset_t()
    sigfillset(&everything)
    pthread_sigmask(SIG_SETMASK, &everything, &previous)
    defer { pthread_sigmask(SIG_SETMASK, &previous, nil) }

    let argument = Unmanaged.passRetained(Body(name: name, run: body))
    var thread = pthread_t()
    let result = pthread_create(
        &thread, &attributes,
        { argument in
            guard let argument else { return nil }
            let body = Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
            pgcaretaker_name_this_thread(body.name)
            body.run()
            return nil
        }, argument.toOpaque())
    if result != 0 { argument.release() }
    return result == 0
}
