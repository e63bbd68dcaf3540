import Cryptography
import Envelope
import Settings
import System

/// A token, as a source returned it at one moment.
struct VaultToken: Sendable {
    let value: SharedSecret
    /// Grows with each new token of a source, so that a late 403 for an old token does not discard its successor.
    let generation: UInt64
}

/// A source of tokens. Safe to use from many tasks.
protocol VaultTokenSource: Sendable {
    /// Returns the current token. Returns fast while a token is at hand.
    func token() async throws(VaultError) -> VaultToken

    /// Records that Vault denied `token` at `path` with a 403.
    ///
    /// - Returns: True if `token()` may return another token now, so that the request is worth repeating.
    func recordDenial(_ token: VaultToken, at path: String) -> Bool

    /// Records that Vault served a request at `path` with `token`.
    func recordSuccess(_ token: VaultToken, at path: String)

    /// Keeps the token valid until the task is cancelled, or returns at once if there is nothing to do.
    func maintain() async
}

extension VaultTokenSource {
    func recordSuccess(_ token: VaultToken, at path: String) {}
    func maintain() async {}
}

/// A token from a setting.
struct StaticVaultTokenSource: VaultTokenSource {
    let value: SharedSecret

    func token() async throws(VaultError) -> VaultToken { VaultToken(value: value, generation: 0) }
    func recordDenial(_ token: VaultToken, at path: String) -> Bool { false }
}

/// A token in a file that another program replaces, such as Vault's agent or `vault login`. The file is read again when it
/// changes. While it cannot be read, the last token is used.
final class VaultTokenFileSource: VaultTokenSource {
    private struct State {
        var token: VaultToken?
        var fingerprint: FileFingerprint?
        var mustRead = true
    }

    private let path: String
    private let state = Locked(State())

    init(path: String) {
        self.path = path
    }

    func token() async throws(VaultError) -> VaultToken {
        try current()
    }

    func recordDenial(_ token: VaultToken, at path: String) -> Bool {
        state.withLock { if $0.token?.generation == token.generation { $0.mustRead = true } }
        return (try? current()).map { $0.generation != token.generation } ?? false
    }

    private func current() throws(VaultError) -> VaultToken {
        let fingerprint = FileFingerprint(path: path)
        return try state.withLock { state throws(VaultError) in
            if let token = state.token, !state.mustRead, fingerprint == state.fingerprint { return token }
            let token: VaultToken
            do throws(VaultError) {
                let value = try VaultSecretFile.read(
                    path, purpose: "the Vault token", variable: VaultVariables.token + "_FILE")
                if let known = state.token, known.value.bytes.equals(value.bytes) {
                    token = known
                } else {
                    token = VaultToken(value: value, generation: (state.token?.generation ?? 0) + 1)
                }
                state.fingerprint = fingerprint
                state.mustRead = false
            } catch {
                guard let known = state.token else { throw error }
                token = known
            }
            state.token = token
            return token
        }
    }
}

/// Renews a token that comes from a setting or a file, not from a login, in a long-lived process: a periodic token never
/// expires then, and any other token lives up to its maximum age.
struct RenewingVaultTokenSource: VaultTokenSource {
    let base: any VaultTokenSource
    let client: VaultClient

    /// Bounded, as the file may hold another token by then.
    private static let maximumPause = Duration.seconds(3600)
    private static let pauseInOutage = Duration.seconds(10)
    private static let pauseAfterRejection = Duration.seconds(600)

    func token() async throws(VaultError) -> VaultToken { try await base.token() }
    func recordDenial(_ token: VaultToken, at path: String) -> Bool { base.recordDenial(token, at: path) }

    func maintain() async {
        while (try? await Task.sleep(for: await renew())) != nil {}
    }

    /// Renews the token and returns the time until the next renewal.
    private func renew() async -> Duration {
        do throws(VaultError) {
            let lease = try await VaultLease.renew(base.token().value, client)
            // Root tokens do not expire.
            guard let duration = lease.duration, lease.isRenewable else { return Self.maximumPause }
            return min(max(duration * 2 / 3, .seconds(1)), Self.maximumPause)
        } catch {
            return error.isOutage ? Self.pauseInOutage : Self.pauseAfterRejection
        }
    }
}

/// Reads small files that hold a token, a JWT or a secret id, in visible ASCII with white space around it.
enum VaultSecretFile {
    /// - Parameters:
    ///   - purpose: The content of the file, for the message.
    ///   - variable: The setting that names the file. The message names it instead of a path that may be the secret itself.
    /// - Throws: `.misconfigured`.
    static func read(
        _ path: String, purpose: String, variable: String? = nil
    ) throws(VaultError) -> SharedSecret {
        do throws(IdentityTokenError) {
            return try IdentityTokenFile(path: path, name: purpose, setting: variable).read()
        } catch {
            throw VaultError(error)
        }
    }
}
