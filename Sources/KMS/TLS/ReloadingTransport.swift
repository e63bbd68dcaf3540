import HTTP
import HTTPTypes
import Settings
import System

/// An HTTP client whose certificates come from files that another program replaces, such as a mounted Secret of cert-manager.
/// When a file has changed, the next request uses a new client; requests in flight keep theirs. While the new files cannot be
/// used, as in the middle of a replacement, the old certificates stay in use.
final class ReloadingTransport: HTTPTransport {
    private struct State {
        var fingerprints: [FileFingerprint?]
        var client: any HTTPTransport
    }

    private let base: HTTPClientConfiguration
    private let settings: TLSSettings
    private let connect: @Sendable (HTTPClientConfiguration) -> any HTTPTransport
    private let state: Locked<State>

    /// - Throws: `SettingError` if the files cannot be used now.
    init(
        _ base: HTTPClientConfiguration, _ settings: TLSSettings,
        connect: @escaping @Sendable (HTTPClientConfiguration) -> any HTTPTransport = { CurlClient($0) }
    ) throws(SettingError) {
        self.base = base
        self.settings = settings
        self.connect = connect
        // Taken before the files are read, so that a change meanwhile is read again.
        let fingerprints = Self.fingerprints(of: settings)
        state = Locked(State(fingerprints: fingerprints, client: connect(try settings.applied(to: base))))
    }

    func withResponse<Result: Sendable>(
        to request: HTTPClientRequest, _ handler: (HTTPResponseHead, HTTPBody) async throws -> Result
    ) async throws -> Result {
        try await current().withResponse(to: request, handler)
    }

    private func current() -> any HTTPTransport {
        let fingerprints = Self.fingerprints(of: settings)
        return state.withLock { state in
            guard fingerprints != state.fingerprints else { return state.client }
            if let configuration = try? settings.applied(to: base) { state.client = connect(configuration) }
            state.fingerprints = fingerprints
            return state.client
        }
    }

    private static func fingerprints(of settings: TLSSettings) -> [FileFingerprint?] {
        settings.watchedPaths.map { FileFingerprint(path: $0) }
    }
}
