import HTTPTypes
import System

/// An HTTP client over libcurl. Safe to use from any thread. Make one for each server or set of credentials and keep
/// it: connections are reused within a client. The client shuts down with its last reference.
package final class CurlClient: HTTPTransport {
    /// Unary requests may share a connection at the same time (HTTP/2 multiplexing), and streaming requests never do.
    private struct Pools {
        var unary: ConnectionPool?
        var streaming: ConnectionPool?
        var isShutDown = false
    }

    private let settings: ClientSettings
    /// Each pool starts with its first request, so a client that never streams has one thread.
    private let pools = Locked(Pools())

    /// - Parameter environment: the variables that `Proxy.environment` and `Trust.system` read. The default is the
    ///   process's environment at this moment.
    package init(
        _ configuration: HTTPClientConfiguration = HTTPClientConfiguration(),
        environment: [String: String]? = nil
    ) {
        let environment = environment ?? inheritableEnvironment()
        settings = ClientSettings(configuration, environment: environment)
    }

    deinit {
        let pools = pools.withLock { $0 }
        pools.unary?.close()
        pools.streaming?.close()
    }

    package func withResponse<Result: Sendable>(
        to request: HTTPClientRequest,
        _ handler: (HTTPResponseHead, HTTPBody) async throws -> Result
    ) async throws -> Result {
        let plan = try TransferPlan(request, settings)
        guard !Task.isCancelled else { throw plan.error(.cancelled) }
        let pool = try pool(for: plan)
        switch request.mode {
        case .unary:
            let response = try await UnaryTransaction(plan).response(on: pool)
            return try await handler(response.head, response.body)
        case .streaming:
            let transaction = StreamingTransaction(plan, on: pool)
            return try await withTaskCancellationHandler {
                do {
                    let head = try await transaction.head()
                    let result = try await handler(head, HTTPBody(source: transaction))
                    await transaction.close()
                    return result
                } catch {
                    await transaction.close()
                    throw error
                }
            } onCancel: {
                transaction.cancel()
            }
        }
    }

    /// Ends all transactions with `.cancelled`, closes all connections and ends the threads. Later requests fail with
    /// `.cancelled`.
    package func shutdown() async {
        let last = pools.withLock { pools in
            pools.isShutDown = true
            return pools
        }
        await last.unary?.shutDown()
        await last.streaming?.shutDown()
    }

    private func pool(for plan: TransferPlan) throws(HTTPError) -> ConnectionPool {
        try pools.withLock { pools throws(HTTPError) in
            guard !pools.isShutDown else { throw plan.error(.cancelled, "the HTTP client was shut down") }
            let slot: WritableKeyPath<Pools, ConnectionPool?> =
                plan.request.mode == .unary ? \.unary : \.streaming
            if let pool = pools[keyPath: slot] { return pool }
            let pool = try ConnectionPool(plan.request.mode, settings.configuration)
            pools[keyPath: slot] = pool
            return pool
        }
    }
}
