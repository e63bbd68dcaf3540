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
    private let state = Locked(State())

    private struct State {
        var mode = Mode.works
        /// The requests that hang until the mode changes.
        var hanging: [CheckedContinuation<Void, Never>] = []
    }

    init(_ server: FakeTransport) { self.server = server }

    var requests: [FakeTransport.Request] { server.requests }

    func set(_ mode: Mode) {
        let hanging = state.withLock { state in
            state.mode = mode
            defer { state.hanging = [] }
            return state.hanging
        }
        for request in hanging { request.resume() }
    }

    func withResponse<Result: Sendable>(
        to request: HTTPClientRequest, _ handler: (HTTPResponseHead, HTTPBody) async throws -> Result
    ) async throws -> Result {
        switch state.withLock({ $0.mode }) {
        case .works:
            return try await server.withResponse(to: request, handler)
        case .hangs:
            while !Task.isCancelled { try? await Task.sleep(for: .seconds(3600)) }
            throw HTTPError(.cancelled, activity: "test")
        case .hangsDespiteCancellation:
            await withCheckedContinuation { request in
                let hangs = state.withLock { state in
                    guard case .hangsDespiteCancellation = state.mode else { return false }
                    state.hanging.append(request)
                    return true
                }
                // The mode has changed meanwhile.
                if !hangs { request.resume() }
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
