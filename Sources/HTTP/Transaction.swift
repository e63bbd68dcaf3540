import Cryptography
import HTTPTypes
import System

/// One request and its response, shared by the calling task and the thread of a connection pool.
protocol Transaction: AnyObject, Sendable {
    var plan: TransferPlan { get }

    /// True if the caller no longer wants the response. Safe to read from any thread.
    var isCancelled: Bool { get }

    // Only the pool's thread calls the following, in this order, and `ended` exactly once.

    /// - Returns: an error if the transfer has to be aborted.
    func received(_ head: HTTPResponseHead) -> HTTPError?
    func received(_ bytes: UnsafeRawBufferPointer) -> ReceiveResult
    /// Ends the transaction after libcurl has released all its pointers. The error is nil if the response is complete.
    func ended(_ error: HTTPError?)
}

enum ReceiveResult {
    case consumed
    /// The transaction has no room. The pool passes the same bytes again after it is signalled.
    case pause
    case reject(HTTPError)
}

/// A validated request with everything that is needed to send it.
struct TransferPlan: Sendable {
    let request: HTTPClientRequest
    let target: RequestTarget
    let settings: ClientSettings
    let activity: String
    let proxy: String
    /// The CA certificates that this request trusts, as PEM, or nil for those that libcurl was built with.
    let trustedCertificates: SharedSecret?
    let deadline: ContinuousClock.Instant?

    init(_ request: HTTPClientRequest, _ settings: ClientSettings) throws(HTTPError) {
        target = try RequestTarget(request.url, serverName: settings.configuration.serverName)
        activity = "\(request.method.rawValue) \(target.origin)"
        try settings.validate(request, target, activity: activity)
        trustedCertificates =
            target.scheme == "https" ? try settings.trustedCertificates(activity: activity) : nil
        self.request = request
        self.settings = settings
        proxy = try settings.proxy(for: target, activity: activity)
        deadline = request.timeout.map { .now + $0 }
    }

    func error(_ code: HTTPError.Code, _ detail: String? = nil) -> HTTPError {
        HTTPError(code, activity: activity, detail: detail)
    }
}

/// Collects a response on the pool's thread and resumes the calling task once, when the response is complete.
final class UnaryTransaction: Transaction, @unchecked Sendable {
    typealias Response = (head: HTTPResponseHead, body: HTTPBody)

    private typealias Waiter = CheckedContinuation<Result<Response, HTTPError>, Never>

    private enum State {
        case idle
        case waiting(Waiter)
        case cancelled(Waiter?)
        case ended
    }

    let plan: TransferPlan
    private let limit: Int
    private let state = Locked(State.idle)
    // Only the pool's thread uses these two.
    private var head: HTTPResponseHead?
    private var body: SecretBuffer?

    init(_ plan: TransferPlan) {
        self.plan = plan
        let maximum = plan.settings.configuration.maximumResponseBody
        limit = min(plan.request.maximumResponseBody ?? maximum, maximum)
    }

    /// Sends the request and waits for the response. May be called once.
    func response(on pool: ConnectionPool) async throws(HTTPError) -> Response {
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (waiter: Waiter) in
                state.withLock { state in
                    if case .cancelled = state {
                        state = .cancelled(waiter)
                    } else {
                        state = .waiting(waiter)
                    }
                }
                pool.submit(self)
            }
        } onCancel: {
            cancel()
            pool.signal(self)
        }
        return try result.get()
    }

    var isCancelled: Bool {
        state.withLock { if case .cancelled = $0 { true } else { false } }
    }

    private func cancel() {
        state.withLock { state in
            switch state {
            case .idle: state = .cancelled(nil)
            case .waiting(let waiter): state = .cancelled(waiter)
            case .cancelled, .ended: break
            }
        }
    }

    func received(_ head: HTTPResponseHead) -> HTTPError? {
        self.head = head
        // The Content-Length of a response to HEAD is that of a body which is not sent.
        let announced =
            plan.request.method == .head ? 0 : head.fields[.contentLength].flatMap { Int($0) } ?? 0
        guard announced <= limit else { return tooLarge }
        body = SecretBuffer(capacity: announced > 0 ? announced : 1024)
        return nil
    }

    func received(_ bytes: UnsafeRawBufferPointer) -> ReceiveResult {
        guard (body?.count ?? 0) + bytes.count <= limit else { return .reject(tooLarge) }
        body?.append(bytes)
        return .consumed
    }

    func ended(_ error: HTTPError?) {
        let collected = body.take()
        let result: Result<Response, HTTPError>
        if let error {
            result = .failure(error)
        } else if let head, let collected {
            let body = HTTPBody(source: BufferedBody(ZeroizingBytes(collected), activity: plan.activity))
            result = .success((head, body))
        } else {
            result = .failure(plan.error(.protocolError, "no response head"))
        }
        let waiter = state.withLock { state -> Waiter? in
            defer { state = .ended }
            return switch state {
            case .waiting(let waiter): waiter
            case .cancelled(let waiter): waiter
            case .idle, .ended: nil
            }
        }
        waiter?.resume(returning: result)
    }

    private var tooLarge: HTTPError {
        plan.error(.responseTooLarge, "the limit is \(limit) bytes")
    }
}
