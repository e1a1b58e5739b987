import Dispatch

/// Work that waits for the disk, kept off Swift's cooperative pool: an fsync may take as long as the disk likes.
enum BlockingWork {
    private static let queue = DispatchQueue(label: "pgcaretaker.backup.files", attributes: .concurrent)

    /// Runs the body on a thread that may block, and gives what it returns or throws.
    static func run<Value: Sendable, Failure: Error>(
        _ body: @escaping @Sendable () throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
            queue.async {
                do throws(Failure) {
                    continuation.resume(returning: .success(try body()))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }
}
