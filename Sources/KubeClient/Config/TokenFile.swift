package import Cryptography
import System

/// A token in a file that others replace, such as a projected service-account token.
///
/// Guarantees: the file is read again after a minute, when it has changed, and after a 401; if that fails, the
/// last token goes on being used.
package final class TokenFile: CredentialSource {
    private struct State {
        var current: Credential?
        /// Whether `current` came from the file.
        var readAt: ContinuousClock.Instant?
        var stamp: CredentialFile.Stamp?
        var isRefused = false
    }

    private let path: String
    private let purpose: String
    private let setting: CredentialFile.PathSetting?
    private let now: @Sendable () -> ContinuousClock.Instant
    private let state: Locked<State>

    static let maximumAge = Duration.seconds(60)

    /// - Parameters:
    ///   - fallback: the header to send as long as the file could never be read.
    ///   - purpose: for errors: what names the file.
    package convenience init(
        path: String, fallback: SharedSecret? = nil, purpose: String,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.init(path: path, fallback: fallback, purpose: purpose, setting: nil, now: now)
    }

    /// `setting`: the field of a kubeconfig that names the file.
    init(
        path: String, fallback: SharedSecret?, purpose: String, setting: CredentialFile.PathSetting?,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.setting = setting
        self.path = path
        self.purpose = purpose
        self.now = now
        state = Locked(State(current: fallback.map { Credential(authorization: $0) }))
    }

    package func credential() async throws(ConfigurationError) -> Credential {
        let (now, stamp) = (now(), CredentialFile.stamp(of: path))
        return try state.withLock { state throws(ConfigurationError) in
            if let current = state.current, let readAt = state.readAt, !state.isRefused,
                now - readAt < Self.maximumAge, stamp == state.stamp
            {
                return current
            }
            do throws(ConfigurationError) {
                let fresh = try read(after: state.current)
                state = State(current: fresh, readAt: now, stamp: stamp)
                return fresh
            } catch {
                guard let current = state.current else { throw error }
                return current
            }
        }
    }

    package func invalidate(_ used: Credential) async {
        state.withLock { state in
            if state.current?.generation == used.generation { state.isRefused = true }
        }
    }

    /// The same token keeps its generation.
    private func read(after current: Credential?) throws(ConfigurationError) -> Credential {
        let token = try CredentialFile.read(path, for: purpose, setting: setting)
        guard let header = AuthorizationHeader.bearer(token) else {
            throw ConfigurationError(.invalid, "\(path): holds no token; needed for \(purpose)")
        }
        if let current, let authorization = current.authorization, authorization.bytes.equals(header.bytes) {
            return current
        }
        return Credential(authorization: header, generation: (current?.generation ?? 0) + 1)
    }
}
