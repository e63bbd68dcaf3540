import Glibc

/// Runs `body` on a new thread that ends with it: for calls that block. Returns 0, or an errno value, and then
/// `body` does not run.
package func startThread(_ body: @escaping @Sendable () -> Void) -> Int32 {
    let retained = Unmanaged.passRetained(ThreadBody(run: body))
    var thread = pthread_t()
    let code = pthread_create(
        &thread, nil,
        { pointer in
            if let pointer { Unmanaged<ThreadBody>.fromOpaque(pointer).takeRetainedValue().run() }
            return nil
        }, retained.toOpaque())
    guard code == 0 else {
        retained.release()
        return code
    }
    pthread_detach(thread)
    return 0
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void

    init(run: @escaping @Sendable () -> Void) { self.run = run }
}
