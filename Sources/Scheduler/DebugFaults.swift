#if DEBUG
    import Glibc

    /// Faults that a debug build can be told to have, so that what guards against them can be tested.
    enum DebugFaults {
        /// With `PGCARETAKER_DEBUG_STALL_SCHEDULER=FILE`, the scheduler hangs for ever once that file exists.
        static func stallSchedulerIfAsked() async {
            guard let path = getenv("PGCARETAKER_DEBUG_STALL_SCHEDULER"), access(path, F_OK) == 0 else { return }
            await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in }
        }
    }
#endif
