import Glibc

/// A thread of our own for work that blocks: reads, writes and waits never run on Swift's cooperative pool.
package enum DedicatedThread {
    /// Starts a detached thread that runs `body` and ends.
    ///
    /// All signals are blocked in it: the daemon's own handling stays with the main thread, system calls here are not
    /// interrupted, and a write to a pipe that nobody reads gives EPIPE instead of ending the process by SIGPIPE.
    ///
    /// - Throws: ``ThreadError`` if the system allows no more threads.
    package static func start(_ body: @escaping @Sendable () -> Void) throws(ThreadError) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))

        let context = Unmanaged.passRetained(Body(run: body))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, &attributes,
            { context in
                guard let context else { return nil }
                let body = Unmanaged<Body>.fromOpaque(context).takeRetainedValue()
                DedicatedThread.blockSignals()
                body.run()
                return nil
            }, context.toOpaque())
        guard code == 0 else {
            context.release()
            throw ThreadError(code: code)
        }
    }

    private static func blockSignals() {
        var signals = sigset_t()
        sigfillset(&signals)
        // Blocking a fault that the thread itself causes is undefined (sigprocmask(2)).
        for fault in [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT] { sigdelset(&signals, fault) }
        pthread_sigmask(SIG_SETMASK, &signals, nil)
    }

    private final class Body: Sendable {
        let run: @Sendable () -> Void

        init(run: @escaping @Sendable () -> Void) { self.run = run }
    }
}

/// The system refused a new thread (pthread_create(3)).
package struct ThreadError: Error, CustomStringConvertible {
    /// The system's error number.
    package let code: Int32
    /// The system's words for it.
    package var description: String { String(cString: strerror(code)) }
}
