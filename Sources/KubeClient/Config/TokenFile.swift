import Cryptography
import System

/// A token in a file that other programs replace, such as a projected service account token.
///
/// Guarantees: the file is read again after a minute, when it has changed, and after a 401. If reading fails, the last
/// token stays in use.
package final class TokenFile: CredentialSource {
    private struct State {
        var current: Credential?
        /// The time at which the file was last read, or nil while `current` is the fallback.
        var readAt: ContinuousClock.Instant?
        var fingerprint: FileFingerprint?
        var isRefused = false
    }

    private let path: String
    private let purpose: String
    private let setting: CredentialFile.PathSetting?
    private let now: @Sendable () -> ContinuousClock.Instant
    private let state: Locked<State>

    static let maximumAge = Duration.seconds(60)

    /// - Parameters:
    ///   - fallback: the header to send until the file can be read.
    ///   - purpose: what the file is needed for, for errors.
    ///   - setting: the field of a kubeconfig that contains the path.
    init(
        path: String, fallback: SharedSecret? = nil, purpose: String,
        setting: CredentialFile.PathSetting? = nil,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.setting = setting
        self.path = path
        self.purpose = purpose
        self.now = now
        state = Locked(State(current: fallback.map { Credential(authorization: $0) }))
    }

    package func credential() async throws(ConfigurationError) -> Credential {
        let (now, fingerprint) = (now(), FileFingerprint(path: path))
        return try state.withLock { state throws(ConfigurationError) in
            if let current = state.current, let readAt = state.readAt, !state.isRefused,
                now - readAt < Self.maximumAge, fingerprint == state.fingerprint
            {
                return current
            }
            do throws(ConfigurationError) {
                let fresh = try read(after: state.current)
                state = State(current: fresh, readAt: now, fingerprint: fingerprint)
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

    /// Reads the file. An unchanged token keeps its generation.
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
