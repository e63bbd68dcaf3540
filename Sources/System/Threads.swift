import CLinux
import Glibc

/// A value behind a lock, for state that synchronous callers or C callbacks share. Decide under the lock and act after it:
/// `withLock` returns the decision.
///
/// It replaces `Synchronization.Mutex`, in which ThreadSanitizer reports false races on Linux (Swift 6.3).
package final class Locked<Value>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var value: Value

    package init(_ value: sending Value) {
        self.value = value
        let result = pthread_mutex_init(mutex, nil)
        precondition(result == 0, "pthread_mutex_init failed")
    }

    package func withLock<Result, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }
}

/// Runs `body`, which may block, on a new thread of its own.
///
/// - Returns: 0, or the errno value of a thread that could not be created; `body` does not run then.
package func startThread(_ body: @escaping @Sendable () -> Void) -> Int32 {
    start(body) { main, context in
        var thread = pthread_t()
        let code = pthread_create(&thread, nil, main, context)
        if code == 0 { pthread_detach(thread) }
        return code
    }
}

/// Runs `body` on a new thread that receives no signals, as `startThread` does.
///
/// - Parameter name: the name that the kernel shows for the thread, of at most 15 bytes.
package func startServiceThread(name: String, _ body: @escaping @Sendable () -> Void) -> Int32 {
    start({
        sb_name_thread(name)
        body()
    }) { sb_start_thread($0, $1) }
}

private typealias ThreadMain = @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer?

private func start(
    _ body: @escaping @Sendable () -> Void, _ create: (ThreadMain, UnsafeMutableRawPointer) -> Int32
) -> Int32 {
    let retained = Unmanaged.passRetained(ThreadBody(run: body))
    let main: ThreadMain = { context in
        if let context { Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue().run() }
        return nil
    }
    let code = create(main, retained.toOpaque())
    if code != 0 { retained.release() }
    return code
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void

    init(run: @escaping @Sendable () -> Void) { self.run = run }
}

/// Runs `body` for each element, for at most `limit` of them at a time. It returns when all have ended: `body` has to check
/// for cancellation by itself.
///
/// - Returns: the results in the order of the elements.
package func mapConcurrently<Element: Sendable, Value: Sendable>(
    _ elements: [Element], limit: Int, _ body: @escaping @Sendable (Element) async -> Value
) async -> [Value] {
    let results = await withTaskGroup(of: (Int, Value).self) { group in
        var results = [Value?](repeating: nil, count: elements.count)
        for (index, element) in elements.enumerated() {
            if index >= max(limit, 1), let (done, value) = await group.next() { results[done] = value }
            group.addTask { (index, await body(element)) }
        }
        for await (done, value) in group { results[done] = value }
        return results
    }
    return results.compactMap(\.self)
}
