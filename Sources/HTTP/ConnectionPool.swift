import CCurl
import System

/// A libcurl multi handle and the one thread that may touch it. Others put exchanges into its inbox and
/// wake it. See docs/adr/0002-http-on-libcurl-multi.md.
final class ConnectionPool: @unchecked Sendable {
    private struct Inbox {
        var arrivals: [any Transaction] = []
        /// Exchanges that were stopped or whose buffer has room again.
        var signals: [any Transaction] = []
        /// Once set, the multi handle may be gone: nobody wakes it any more.
        var isClosed = false
        var isGone = false
        var closeWaiters: [CheckedContinuation<Void, Never>] = []
    }

    private let inbox = Locked(Inbox())
    // What follows belongs to the lane's thread.
    private let multi: UnsafeMutableRawPointer
    private var admission: RequestScheduler<ObjectIdentifier>?
    private var waiting: [ObjectIdentifier: any Transaction] = [:]
    private var transfers: [ObjectIdentifier: Transfer] = [:]
    private var spares: [EasyHandle] = []
    private var nextDeadline: ContinuousClock.Instant?
    /// Some were started that `curl_multi_perform` has not seen yet.
    private var hasFreshTransfers = false

    /// Easy handles kept for reuse; each holds a few kilobytes.
    private static let maximumSpares = 64

    init(_ kind: HTTPClientRequest.TransferMode, _ configuration: HTTPClientConfiguration) throws(HTTPError) {
        try CurlLibrary.initialise()
        guard let multi = curl_multi_init() else {
            throw HTTPError(.clientFailed, activity: "starting libcurl", detail: "curl_multi_init failed")
        }
        self.multi = multi
        switch kind {
        case .unary:
            sb_multi_set_long(multi, CURLMOPT_PIPELINING, Int(CURLPIPE_MULTIPLEX))
            sb_multi_set_long(multi, CURLMOPT_MAX_CONCURRENT_STREAMS, 1_000)
            admission = RequestScheduler(.init(connections: configuration.maximumConnectionsPerHost))
        case .streaming:
            sb_multi_set_long(multi, CURLMOPT_PIPELINING, Int(CURLPIPE_NOTHING))
        }
        do throws(HTTPError) {
            try DetachedThread.start(name: kind == .unary ? "http-unary" : "http-streaming") { self.run() }
        } catch {
            curl_multi_cleanup(multi)
            throw error
        }
    }

    // MARK: any thread

    /// Starts `exchange`; `ended` will be called exactly once.
    func submit(_ exchange: any Transaction) {
        let isAccepted = post { $0.arrivals.append(exchange) }
        if !isAccepted { exchange.ended(Self.closed(exchange)) }
    }

    /// Makes the lane look at `exchange` again.
    func signal(_ exchange: any Transaction) {
        _ = post { $0.signals.append(exchange) }
    }

    /// Ends every exchange with `.cancelled`, then the thread. Does not wait.
    func close() {
        _ = post { $0.isClosed = true }
    }

    /// As `close`; returns when the thread has let go of everything.
    func shutDown() async {
        close()
        await withCheckedContinuation { waiter in
            let isGone = inbox.withLock { inbox in
                if !inbox.isGone { inbox.closeWaiters.append(waiter) }
                return inbox.isGone
            }
            if isGone { waiter.resume() }
        }
    }

    /// Wakes under the lock: after it, the multi handle may be gone.
    private func post(_ change: (inout Inbox) -> Void) -> Bool {
        inbox.withLock { inbox in
            guard !inbox.isClosed else { return false }
            let isAwake = !inbox.arrivals.isEmpty || !inbox.signals.isEmpty
            change(&inbox)
            if !isAwake { curl_multi_wakeup(multi) }
            return true
        }
    }

    private static func closed(_ exchange: any Transaction) -> HTTPError {
        exchange.plan.error(.cancelled, "the HTTP client was shut down")
    }

    // MARK: the lane's thread

    private func run() {
        while attendToInbox() {
            // libcurl 7.88 forgets transfers that were to run again at once when one that is started in
            // the same round comes after them. So the last round before we sleep starts none.
            var isSettled = false
            while !isSettled {
                isSettled = !hasFreshTransfers
                hasFreshTransfers = false
                perform()
                startAdmitted()
                isSettled = isSettled && !hasFreshTransfers
            }
            curl_multi_poll(multi, nil, 0, pollTimeout(), nil)
        }
        tearDown()
    }

    private func perform() {
        var running: Int32 = 0
        let result = curl_multi_perform(multi, &running)
        harvest()
        if result != CURLM_OK { endAll(String(cString: curl_multi_strerror(result))) }
        expire()
    }

    private func attendToInbox() -> Bool {
        let (arrivals, signals, isClosed) = inbox.withLock { inbox in
            defer { (inbox.arrivals, inbox.signals) = ([], []) }
            return (inbox.arrivals, inbox.signals, inbox.isClosed)
        }
        for exchange in arrivals {
            if isClosed {
                exchange.ended(Self.closed(exchange))
            } else if exchange.isCancelled {
                exchange.ended(exchange.plan.error(.cancelled))
            } else {
                accept(exchange)
            }
        }
        for exchange in signals {
            if exchange.isCancelled {
                end(ObjectIdentifier(exchange), exchange.plan.error(.cancelled))
            } else if let transfer = transfers[ObjectIdentifier(exchange)] {
                transfer.resume()
                // A paused transfer has no idle timeout.
                note(transfer.nextDeadline)
            }
        }
        startAdmitted()
        return !isClosed
    }

    private func accept(_ exchange: any Transaction) {
        guard admission != nil else { return start(exchange) }
        waiting[ObjectIdentifier(exchange)] = exchange
        admission?.enqueue(ObjectIdentifier(exchange), exchange.plan.target.origin)
        note(exchange.plan.deadline)
    }

    private func startAdmitted() {
        for id in admission?.dequeueReady() ?? [] {
            if let exchange = waiting.removeValue(forKey: id) { start(exchange) }
        }
    }

    /// From within `curl_multi_perform`.
    func connectionReady(_ transfer: Transfer) {
        let exchange = transfer.exchange
        admission?.connectionReady(ObjectIdentifier(exchange), exchange.plan.target.origin)
    }

    /// From within `curl_multi_perform`. `version`: as CURLINFO_HTTP_VERSION has it.
    func responseStarted(_ transfer: Transfer, over version: Int) {
        let isHTTP2 = version >= Int(CURL_HTTP_VERSION_2_0)
        admission?.negotiated(transfer.exchange.plan.target.origin, isHTTP2 ? .http2 : .http1)
    }

    private func start(_ exchange: any Transaction) {
        guard let easy = spares.popLast() ?? EasyHandle() else {
            return finish(exchange, exchange.plan.error(.clientFailed, "out of memory"))
        }
        let transfer = Transfer(exchange, easy, on: self)
        guard easy.setupResult == CURLE_OK else {
            let detail = String(cString: curl_easy_strerror(easy.setupResult))
            return finish(
                exchange, exchange.plan.error(.clientFailed, "libcurl refused an option: \(detail)"))
        }
        let result = curl_multi_add_handle(multi, easy.raw)
        guard result == CURLM_OK else {
            let detail = String(cString: curl_multi_strerror(result))
            return finish(exchange, exchange.plan.error(.clientFailed, detail))
        }
        transfers[ObjectIdentifier(exchange)] = transfer
        hasFreshTransfers = true
        note(transfer.nextDeadline)
    }

    private func harvest() {
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE,
                let transfer = Transfer.of(message.pointee.easy_handle)
            else { continue }
            end(transfer, transfer.error(message.pointee.data.result))
        }
    }

    /// Whether it waits or is under way; nothing when it is already over.
    private func end(_ id: ObjectIdentifier, _ error: HTTPError) {
        if let transfer = transfers[id] {
            end(transfer, error)
        } else if let exchange = waiting.removeValue(forKey: id) {
            finish(exchange, error)
        }
    }

    /// The exchange hears of its end only when libcurl no longer has any pointer of it.
    private func end(_ transfer: Transfer, _ error: HTTPError?) {
        transfers[ObjectIdentifier(transfer.exchange)] = nil
        curl_multi_remove_handle(multi, transfer.easy.raw)
        transfer.easy.reset()
        if spares.count < Self.maximumSpares { spares.append(transfer.easy) }
        finish(transfer.exchange, error)
    }

    private func finish(_ exchange: any Transaction, _ error: HTTPError?) {
        exchange.ended(error)
        let followers = admission?.finished(
            ObjectIdentifier(exchange), exchange.plan.target.origin,
            isConnectionLost: error?.isConnectionError ?? false)
        for id in followers ?? [] {
            guard let error, let follower = waiting.removeValue(forKey: id) else { continue }
            follower.ended(follower.plan.error(error.code, error.detail))
        }
    }

    private func endAll(_ detail: String) {
        for transfer in transfers.values {
            end(transfer, transfer.exchange.plan.error(.clientFailed, detail))
        }
    }

    private func note(_ deadline: ContinuousClock.Instant?) {
        guard let deadline else { return }
        nextDeadline = nextDeadline.map { min($0, deadline) } ?? deadline
    }

    /// `nextDeadline` may be too early, when what it belonged to has ended or received bytes; never too late.
    private func expire() {
        guard let nextDeadline, case let now = ContinuousClock.now, now >= nextDeadline else { return }
        self.nextDeadline = nil
        for transfer in transfers.values {
            if let error = transfer.timeoutError(at: now) {
                end(transfer, error)
            } else {
                note(transfer.nextDeadline)
            }
        }
        for (id, exchange) in waiting {
            guard let deadline = exchange.plan.deadline else { continue }
            if now >= deadline {
                end(id, exchange.plan.error(.timedOut, "waiting for a connection"))
            } else {
                note(deadline)
            }
        }
    }

    /// Milliseconds. libcurl shortens it to its own timers'. While something is under way, a wake-up that
    /// libcurl loses costs a second at most.
    private func pollTimeout() -> Int32 {
        let longest = transfers.isEmpty ? 600_000 : 1_000
        guard let nextDeadline else { return Int32(longest) }
        return Int32(min((nextDeadline - .now).millisecondsRoundedUp, longest))
    }

    private func tearDown() {
        for transfer in transfers.values { end(transfer, Self.closed(transfer.exchange)) }
        for exchange in waiting.values { exchange.ended(Self.closed(exchange)) }
        waiting = [:]
        spares = []
        curl_multi_cleanup(multi)
        let waiters = inbox.withLock { inbox in
            inbox.isGone = true
            defer { inbox.closeWaiters = [] }
            return inbox.closeWaiters
        }
        for waiter in waiters { waiter.resume() }
    }
}
