import HTTP
import System
import TestSupport

/// A transport that can fail in several ways.
final class UnreliableTransport: HTTPTransport {
    enum Mode: Sendable {
        case works
        /// Requests get no response until they are cancelled.
        case hangs
        /// Requests get no response and ignore cancellation until the mode changes.
        case hangsDespiteCancellation
        /// The server performs the request, and the response is lost.
        case losesResponses
        case fails(status: Int)
    }

    private let server: FakeTransport
    private let mode = Locked(Mode.works)

    init(_ server: FakeTransport) { self.server = server }

    var requests: [FakeTransport.Request] { server.requests }

    func set(_ new: Mode) { mode.withLock { $0 = new } }

    func withResponse<Result: Sendable>(
        to request: HTTPClientRequest, _ handler: (HTTPResponseHead, HTTPBody) async throws -> Result
    ) async throws -> Result {
        switch mode.withLock({ $0 }) {
        case .works:
            return try await server.withResponse(to: request, handler)
        case .hangs:
            while !Task.isCancelled { try? await Task.sleep(for: .seconds(3600)) }
            throw HTTPError(.cancelled, activity: "test")
        case .hangsDespiteCancellation:
            while case .hangsDespiteCancellation = mode.withLock({ $0 }) {
                await Task { try? await Task.sleep(for: .milliseconds(5)) }.value
            }
            throw HTTPError(.cancelled, activity: "test")
        case .losesResponses:
            _ = try await server.withResponse(to: request) { _, _ in true }
            throw HTTPError(.connectionClosed, activity: "test")
        case .fails(let status):
            return try await FakeTransport(script: [.status(status, "Broken")]).withResponse(
                to: request, handler)
        }
    }
}
