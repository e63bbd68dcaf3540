import CCurl
import Glibc
import System

/// A libcurl multi handle, with its connections, and the one thread that uses it. Other threads put transactions into its
/// inbox and wake it. See docs/adr/0002-http-on-libcurl-multi.md.
final class ConnectionPool: @unchecked Sendable {
    private struct Inbox {
        var arrivals: [any Transaction] = []
        /// Transactions that were cancelled or whose buffer has room again.
        var signals: [any Transaction] = []
        /// After this is set, the multi handle may no longer exist, so that waking it is not allowed.
        var isClosed = false
        var isTornDown = false
        var closeWaiters: [CheckedContinuation<Void, Never>] = []
    }

    private let inbox = Locked(Inbox())
    // Only the pool's thread uses the following.
    private let multi: UnsafeMutableRawPointer
    private var scheduler: RequestScheduler<ObjectIdentifier>?
    private var waiting: [ObjectIdentifier: any Transaction] = [:]
    private var transfers: [ObjectIdentifier: Transfer] = [:]
    private var idleHandles: [EasyHandle] = []
    private var nextDeadline: ContinuousClock.Instant?
    private var pacing: PollPacing
    /// True if a transfer was started since the last `curl_multi_perform`.
    private var hasNewTransfers = false

    /// Each idle easy handle takes a few kilobytes.
    private static let maximumIdleHandles = 64

    init(
        _ mode: HTTPClientRequest.TransferMode, _ configuration: HTTPClientConfiguration
    ) throws(HTTPError) {
        try CurlLibrary.initialise()
        guard let multi = curl_multi_init() else {
            throw HTTPError(.clientFailed, activity: "starting libcurl", detail: "curl_multi_init failed")
        }
        self.multi = multi
        pacing = PollPacing(mode)
        switch mode {
        case .unary:
            sb_multi_set_long(multi, CURLMOPT_PIPELINING, Int(CURLPIPE_MULTIPLEX))
            sb_multi_set_long(multi, CURLMOPT_MAX_CONCURRENT_STREAMS, 1_000)
            scheduler = RequestScheduler(.init(connections: configuration.maximumConnectionsPerHost))
        case .streaming:
            sb_multi_set_long(multi, CURLMOPT_PIPELINING, Int(CURLPIPE_NOTHING))
        }
        let name = mode == .unary ? "http-unary" : "http-streaming"
        let code = startServiceThread(name: name) { self.run() }
        guard code == 0 else {
            curl_multi_cleanup(multi)
            throw HTTPError(
                .clientFailed, activity: "starting a thread", detail: String(cString: strerror(code)))
        }
    }

    // MARK: any thread

    /// Starts `transaction`. Its `ended` will be called exactly once.
    func submit(_ transaction: any Transaction) {
        let isAccepted = post { $0.arrivals.append(transaction) }
        if !isAccepted { transaction.ended(Self.shutdownError(transaction)) }
    }

    /// Makes the pool check whether `transaction` was cancelled or can continue.
    func signal(_ transaction: any Transaction) {
        _ = post { $0.signals.append(transaction) }
    }

    /// Ends every transaction with `.cancelled`, and then the thread. Does not wait.
    func close() {
        _ = post { $0.isClosed = true }
    }

    /// Closes the pool and waits until the thread has released all its resources.
    func shutDown() async {
        close()
        await withCheckedContinuation { waiter in
            let isTornDown = inbox.withLock { inbox in
                if !inbox.isTornDown { inbox.closeWaiters.append(waiter) }
                return inbox.isTornDown
            }
            if isTornDown { waiter.resume() }
        }
    }

    /// Changes the inbox and wakes the thread. The wake-up happens under the lock, because the multi handle may be freed
    /// as soon as the lock is released.
    private func post(_ change: (inout Inbox) -> Void) -> Bool {
        inbox.withLock { inbox in
            guard !inbox.isClosed else { return false }
            let isAwake = !inbox.arrivals.isEmpty || !inbox.signals.isEmpty
            change(&inbox)
            if !isAwake { curl_multi_wakeup(multi) }
            return true
        }
    }

    private static func shutdownError(_ transaction: any Transaction) -> HTTPError {
        transaction.plan.error(.cancelled, "the HTTP client was shut down")
    }

    // MARK: the pool's thread

    private func run() {
        while processInbox() {
            // libcurl 7.88 loses a transfer that has to run again at once if a transfer that is started in the same round
            // comes after it. So the last round before the poll starts none.
            var isSettled = false
            while !isSettled {
                isSettled = !hasNewTransfers
                hasNewTransfers = false
                perform()
                startReady()
                isSettled = isSettled && !hasNewTransfers
            }
            curl_multi_poll(multi, nil, 0, pollTimeout(), nil)
            pause()
        }
        tearDown()
    }

    private func pause() {
        let pause = pacing.pause(inFlight: transfers.count, at: .now)
        if pause > .zero { usleep(UInt32(clamping: pause.components.attoseconds / 1_000_000_000_000)) }
    }

    private func perform() {
        var running: Int32 = 0
        let result = curl_multi_perform(multi, &running)
        collectCompleted()
        if result != CURLM_OK { endAll(String(cString: curl_multi_strerror(result))) }
        expire()
    }

    /// - Returns: false if the pool was closed.
    private func processInbox() -> Bool {
        let (arrivals, signals, isClosed) = inbox.withLock { inbox in
            defer { (inbox.arrivals, inbox.signals) = ([], []) }
            return (inbox.arrivals, inbox.signals, inbox.isClosed)
        }
        for transaction in arrivals {
            if isClosed {
                transaction.ended(Self.shutdownError(transaction))
            } else if transaction.isCancelled {
                transaction.ended(transaction.plan.error(.cancelled))
            } else {
                accept(transaction)
            }
        }
        for transaction in signals {
            if transaction.isCancelled {
                end(ObjectIdentifier(transaction), transaction.plan.error(.cancelled))
            } else if let transfer = transfers[ObjectIdentifier(transaction)] {
                transfer.resume()
                // A paused transfer has no idle timeout.
                schedule(transfer.nextDeadline)
            }
        }
        startReady()
        return !isClosed
    }

    private func accept(_ transaction: any Transaction) {
        guard scheduler != nil else { return start(transaction) }
        waiting[ObjectIdentifier(transaction)] = transaction
        scheduler?.enqueue(ObjectIdentifier(transaction), transaction.plan.target.origin)
        schedule(transaction.plan.deadline)
    }

    private func startReady() {
        for id in scheduler?.dequeueReady() ?? [] {
            if let transaction = waiting.removeValue(forKey: id) { start(transaction) }
        }
    }

    /// Called from within `curl_multi_perform`.
    ///
    /// - Returns: false if the request must not be sent over this connection.
    func connectionReady(_ transfer: Transfer) -> Bool {
        let (transaction, easy) = (transfer.transaction, transfer.easy)
        return scheduler?.connectionReady(
            ObjectIdentifier(transaction), transaction.plan.target.origin, easy.isOverHTTP2 ? .http2 : .http1,
            isNew: easy.info(CURLINFO_NUM_CONNECTS) > 0) ?? true
    }

    /// Called from within `curl_multi_perform`.
    func received(byteCount: Int) {
        pacing.received(byteCount: byteCount)
    }

    private func start(_ transaction: any Transaction) {
        guard let easy = idleHandles.popLast() ?? EasyHandle() else {
            return finish(transaction, transaction.plan.error(.clientFailed, "out of memory"))
        }
        let offer = scheduler?.offer(of: ObjectIdentifier(transaction), transaction.plan.target.origin)
        let transfer = Transfer(transaction, easy, offer ?? .http1, on: self)
        guard easy.setupResult == CURLE_OK else {
            let detail = String(cString: curl_easy_strerror(easy.setupResult))
            return finish(
                transaction, transaction.plan.error(.clientFailed, "libcurl refused an option: \(detail)"))
        }
        let result = curl_multi_add_handle(multi, easy.raw)
        guard result == CURLM_OK else {
            let detail = String(cString: curl_multi_strerror(result))
            return finish(transaction, transaction.plan.error(.clientFailed, detail))
        }
        transfers[ObjectIdentifier(transaction)] = transfer
        hasNewTransfers = true
        schedule(transfer.nextDeadline)
    }

    private func collectCompleted() {
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE,
                let transfer = Transfer.of(message.pointee.easy_handle)
            else { continue }
            guard !transfer.isRefused else {
                release(transfer)
                start(transfer.transaction)
                continue
            }
            pacing.responded(after: .now - transfer.started)
            end(transfer, transfer.error(message.pointee.data.result))
        }
    }

    /// Ends a transaction that waits or is in progress. Does nothing if it has ended already.
    private func end(_ id: ObjectIdentifier, _ error: HTTPError) {
        if let transfer = transfers[id] {
            end(transfer, error)
        } else if let transaction = waiting.removeValue(forKey: id) {
            finish(transaction, error)
        }
    }

    /// Ends a transfer. The transaction's `ended` comes last, when libcurl has no pointer into it any more.
    private func end(_ transfer: Transfer, _ error: HTTPError?) {
        release(transfer)
        finish(transfer.transaction, error)
    }

    /// Takes a transfer from libcurl, which has no pointer into its transaction then.
    private func release(_ transfer: Transfer) {
        transfers[ObjectIdentifier(transfer.transaction)] = nil
        curl_multi_remove_handle(multi, transfer.easy.raw)
        transfer.easy.reset()
        if idleHandles.count < Self.maximumIdleHandles { idleHandles.append(transfer.easy) }
    }

    private func finish(_ transaction: any Transaction, _ error: HTTPError?) {
        transaction.ended(error)
        let dependents = scheduler?.finished(
            ObjectIdentifier(transaction), transaction.plan.target.origin,
            isConnectionLost: error?.isConnectionError ?? false)
        for id in dependents ?? [] {
            guard let error, let dependent = waiting.removeValue(forKey: id) else { continue }
            dependent.ended(dependent.plan.error(error.code, error.detail))
        }
    }

    private func endAll(_ detail: String) {
        for transfer in transfers.values {
            end(transfer, transfer.transaction.plan.error(.clientFailed, detail))
        }
    }

    private func schedule(_ deadline: ContinuousClock.Instant?) {
        guard let deadline else { return }
        nextDeadline = nextDeadline.map { min($0, deadline) } ?? deadline
    }

    /// Ends what has timed out. `nextDeadline` may be too early, if its transfer has ended or received bytes since, and is
    /// never too late.
    private func expire() {
        guard let nextDeadline, case let now = ContinuousClock.now, now >= nextDeadline else { return }
        self.nextDeadline = nil
        for transfer in transfers.values {
            if let error = transfer.timeoutError(at: now) {
                end(transfer, error)
            } else {
                schedule(transfer.nextDeadline)
            }
        }
        for (id, transaction) in waiting {
            guard let deadline = transaction.plan.deadline else { continue }
            if now >= deadline {
                end(id, transaction.plan.error(.timedOut, "waiting for a connection"))
            } else {
                schedule(deadline)
            }
        }
    }

    /// Returns the longest time to wait in milliseconds, which libcurl shortens to its own timers'. While a transfer is in
    /// progress, it is one second, so that a wake-up which libcurl loses costs no more.
    private func pollTimeout() -> Int32 {
        let longest = transfers.isEmpty ? 600_000 : 1_000
        guard let nextDeadline else { return Int32(longest) }
        return Int32(min((nextDeadline - .now).millisecondsRoundedUp, longest))
    }

    private func tearDown() {
        for transfer in transfers.values { end(transfer, Self.shutdownError(transfer.transaction)) }
        for transaction in waiting.values { transaction.ended(Self.shutdownError(transaction)) }
        waiting = [:]
        idleHandles = []
        curl_multi_cleanup(multi)
        let waiters = inbox.withLock { inbox in
            inbox.isTornDown = true
            defer { inbox.closeWaiters = [] }
            return inbox.closeWaiters
        }
        for waiter in waiters { waiter.resume() }
    }
}
