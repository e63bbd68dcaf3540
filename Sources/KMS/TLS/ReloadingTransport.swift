import HTTP
import HTTPTypes
import System

/// An HTTP client whose certificates come from files that others replace, such as a mounted Secret of cert-manager. When
/// a file has changed, the next request gets a client with the new ones; requests in flight stay with theirs. While the
/// new files cannot be used, as in the middle of a replacement, the old ones serve.
final class ReloadingTransport: HTTPTransport {
    private struct State {
        var stamps: [FileFingerprint?]
        var client: any HTTPTransport
    }

    private let base: HTTPClientConfiguration
    private let settings: TLSSettings
    private let connect: @Sendable (HTTPClientConfiguration) -> any HTTPTransport
    private let state: Locked<State>

    /// Errors: the files cannot be used as they are now.
    init(
        _ base: HTTPClientConfiguration, _ settings: TLSSettings,
        connect: @escaping @Sendable (HTTPClientConfiguration) -> any HTTPTransport = { CurlClient($0) }
    ) throws(SettingError) {
        self.base = base
        self.settings = settings
        self.connect = connect
        // Before the files are read: what changes meanwhile is read again.
        let stamps = Self.stamps(of: settings)
        state = Locked(State(stamps: stamps, client: connect(try settings.applied(to: base))))
    }

    func withResponse<Result: Sendable>(
        to request: HTTPClientRequest, _ handler: (HTTPResponseHead, HTTPBody) async throws -> Result
    ) async throws -> Result {
        try await current().withResponse(to: request, handler)
    }

    private func current() -> any HTTPTransport {
        let stamps = Self.stamps(of: settings)
        return state.withLock { state in
            guard stamps != state.stamps else { return state.client }
            if let configuration = try? settings.applied(to: base) { state.client = connect(configuration) }
            state.stamps = stamps
            return state.client
        }
    }

    private static func stamps(of settings: TLSSettings) -> [FileFingerprint?] {
        settings.watchedPaths.map { FileFingerprint(path: $0) }
    }
}
