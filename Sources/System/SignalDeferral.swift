import CLinux
import Glibc
import Synchronization

extension TerminationSignals {
    /// Those that wait for the end of `deferring`: SIGQUIT (Ctrl-\) must not leave plaintext behind either.
    private static let deferred = all + [SIGQUIT]
    /// The signal that waits for the end of `deferring`, or 0.
    private static let pending = Atomic<Int32>(0)
    private static let isDeferring = Atomic<Bool>(false)
    private static let firstDeferred = Atomic<Int32>(0)

    /// The first signal that waited for the end of `deferring`, or nil. If all threads block it, it does not end the process,
    /// which has to exit with 128 plus its number.
    package static var deferredSignal: Int32? {
        let number = firstDeferred.load(ordering: .sequentiallyConsistent)
        return number == 0 ? nil : number
    }

    /// The calls of `deferring` that are running, in all threads.
    private struct Deferral {
        /// The thread of each call.
        var threads: [pthread_t] = []
        /// The actions that the end of the last call restores.
        var replaced: [(number: Int32, action: sigaction)] = []
    }

    private static let deferral = Locked(Deferral())

    /// Runs `body` to its end, even if one of these signals or SIGQUIT is received that would end the process. The signal takes
    /// effect afterwards. One with a handler does not end the process, and its handler is called at once.
    ///
    /// Several threads may call it at once, and a body may call it again: the signal takes effect when the last of them has
    /// ended. Once a signal waits, no further thread begins.
    package static func deferring<Value, Failure: Error>(
        _ body: () throws(Failure) -> Value
    ) throws(Failure) -> Value {
        // Threads that follow each other without a gap would defer the signal for ever.
        while !begin() { usleep(500) }
        defer { end() }
        return try body()
    }

    /// Returns false if a signal waits for the calls of other threads.
    private static func begin() -> Bool {
        let thread = pthread_self()
        return deferral.withLock { state in
            let isSignalPending = pending.load(ordering: .sequentiallyConsistent) != 0
            guard state.threads.isEmpty || state.threads.contains(thread) || !isSignalPending else {
                return false
            }
            if state.threads.isEmpty {
                // The first use of a global variable takes a lock, which a signal handler must not do.
                _ = (received, deferredSignal)
                isDeferring.store(true, ordering: .sequentiallyConsistent)
                state.replaced = deferred.compactMap(replaceDefaultAction)
            }
            state.threads.append(thread)
            return true
        }
    }

    private static func end() {
        let thread = pthread_self()
        let isLast = deferral.withLock { state in
            if let index = state.threads.lastIndex(of: thread) { state.threads.remove(at: index) }
            guard state.threads.isEmpty else { return false }
            for (number, action) in state.replaced { restore(number, action) }
            state.replaced = []
            isDeferring.store(false, ordering: .sequentiallyConsistent)
            return true
        }
        if isLast { sendPending() }
    }

    /// Keeps the signal that waits from ending the process after `deferring`. The caller has to report it, and to exit with 128 plus
    /// the number of `received`.
    package static func takePending() { pending.store(0, ordering: .sequentiallyConsistent) }

    /// Sends the signal that waited to the process: a thread of libdispatch blocks it, but the main thread does not.
    private static func sendPending() {
        let number = pending.exchange(0, ordering: .sequentiallyConsistent)
        guard number != 0 else { return }
        firstDeferred.store(number, ordering: .sequentiallyConsistent)
        kill(getpid(), number)
    }

    private static let deferringHandler: @convention(c) (Int32) -> Void = { number in
        TerminationSignals.recordReceived(number)
        _ = TerminationSignals.pending.compareExchange(
            expected: 0, desired: number, ordering: .sequentiallyConsistent)
        // The last call may have ended after the handler had been called, and does not see the signal then.
        if !TerminationSignals.isDeferring.load(ordering: .sequentiallyConsistent) {
            TerminationSignals.sendPending()
        }
    }

    /// Installs the handler for a signal that would end the process.
    ///
    /// - Returns: the replaced action, or nil if the signal is ignored or has a handler, for example that of libdispatch, which
    ///   cancels the work.
    private static func replaceDefaultAction(_ number: Int32) -> (number: Int32, action: sigaction)? {
        var old = sigaction()
        guard sigaction(number, nil, &old) == 0, address(old) == 0 else { return nil }
        var action = sigaction()
        action.__sigaction_handler.sa_handler = deferringHandler
        return sigaction(number, &action, nil) == 0 ? (number, old) : nil
    }

    /// Restores an action, unless another handler was installed meanwhile.
    private static func restore(_ number: Int32, _ action: sigaction) {
        var (action, current) = (action, sigaction())
        guard sigaction(number, nil, &current) == 0,
            address(current) == unsafeBitCast(deferringHandler, to: Int.self)
        else { return }
        sigaction(number, &action, nil)
    }

    /// Returns the address of the handler, which is 0 for the default action.
    private static func address(_ action: sigaction) -> Int {
        unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
    }
}
