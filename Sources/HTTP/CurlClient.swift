import HTTPTypes
import System

/// HTTP over libcurl. Safe from any thread; make one per server or per set of credentials and keep it:
/// connections are reused within a client. Letting go of the last reference shuts it down.
package final class CurlClient: HTTPTransport {
    private struct Lanes {
        var unary: ConnectionPool?
        var streaming: ConnectionPool?
        var isShutDown = false
    }

    private let settings: ClientSettings
    /// Each starts with its first request: a client that never streams has one thread.
    private let lanes = Locked(Lanes())

    /// `environment`: where `Proxy.environment` looks; nil: the process's own, as it is now.
    package init(
        _ configuration: HTTPClientConfiguration = HTTPClientConfiguration(),
        environment: [String: String]? = nil
    ) {
        let environment = environment ?? inheritableEnvironment()
        settings = ClientSettings(configuration, environment: environment)
    }

    deinit {
        let lanes = lanes.withLock { $0 }
        lanes.unary?.close()
        lanes.streaming?.close()
    }

    package func withResponse<Result: Sendable>(
        to request: HTTPClientRequest,
        _ handler: (HTTPResponseHead, HTTPBody) async throws -> Result
    ) async throws -> Result {
        let plan = try TransferPlan(request, settings)
        guard !Task.isCancelled else { throw plan.error(.cancelled) }
        let lane = try lane(for: plan)
        switch request.mode {
        case .unary:
            let response = try await UnaryTransaction(plan).response(on: lane)
            return try await handler(response.head, response.body)
        case .streaming:
            let exchange = StreamingTransaction(plan, on: lane)
            return try await withTaskCancellationHandler {
                do {
                    let head = try await exchange.head()
                    let result = try await handler(head, HTTPBody(source: exchange))
                    await exchange.close()
                    return result
                } catch {
                    await exchange.close()
                    throw error
                }
            } onCancel: {
                exchange.cancel()
            }
        }
    }

    /// Ends all exchanges with `.cancelled`, closes all connections and ends the threads. Requests made
    /// later fail with `.cancelled`.
    package func shutdown() async {
        let last = lanes.withLock { lanes in
            lanes.isShutDown = true
            return lanes
        }
        await last.unary?.shutDown()
        await last.streaming?.shutDown()
    }

    private func lane(for plan: TransferPlan) throws(HTTPError) -> ConnectionPool {
        try lanes.withLock { lanes throws(HTTPError) in
            guard !lanes.isShutDown else { throw plan.error(.cancelled, "the HTTP client was shut down") }
            let slot: WritableKeyPath<Lanes, ConnectionPool?> =
                plan.request.mode == .unary ? \.unary : \.streaming
            if let lane = lanes[keyPath: slot] { return lane }
            let lane = try ConnectionPool(plan.request.mode, settings.configuration)
            lanes[keyPath: slot] = lane
            return lane
        }
    }
}
