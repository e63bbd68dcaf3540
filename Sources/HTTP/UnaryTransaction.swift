import Cryptography
import HTTPTypes
import System

/// Collects a response on the lane's thread and wakes the asking task once, when it is complete.
final class UnaryTransaction: Transaction, @unchecked Sendable {
    typealias Response = (head: HTTPResponseHead, body: HTTPBody)

    private typealias Waiter = CheckedContinuation<Result<Response, HTTPError>, Never>

    private enum State {
        case idle
        case waiting(Waiter)
        case stopped(Waiter?)
        case ended
    }

    let plan: TransferPlan
    private let limit: Int
    private let state = Locked(State.idle)
    // The lane's thread alone touches these.
    private var head: HTTPResponseHead?
    private var body: SecretBuffer?

    init(_ plan: TransferPlan) {
        self.plan = plan
        let ceiling = plan.settings.configuration.maximumResponseBody
        limit = min(plan.request.maximumResponseBody ?? ceiling, ceiling)
    }

    /// Call once.
    func response(on lane: ConnectionPool) async throws(HTTPError) -> Response {
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (waiter: Waiter) in
                state.withLock { state in
                    if case .stopped = state {
                        state = .stopped(waiter)
                    } else {
                        state = .waiting(waiter)
                    }
                }
                lane.submit(self)
            }
        } onCancel: {
            stop()
            lane.signal(self)
        }
        return try result.get()
    }

    var isCancelled: Bool {
        state.withLock { if case .stopped = $0 { true } else { false } }
    }

    private func stop() {
        state.withLock { state in
            switch state {
            case .idle: state = .stopped(nil)
            case .waiting(let waiter): state = .stopped(waiter)
            case .stopped, .ended: break
            }
        }
    }

    func received(_ head: HTTPResponseHead) -> HTTPError? {
        self.head = head
        // A HEAD's length is that of a body that does not come.
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
            case .stopped(let waiter): waiter
            case .idle, .ended: nil
            }
        }
        waiter?.resume(returning: result)
    }

    private var tooLarge: HTTPError {
        plan.error(.responseTooLarge, "more than the \(limit) bytes expected")
    }
}
