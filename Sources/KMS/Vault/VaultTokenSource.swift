import Cryptography

/// A token at one moment.
struct VaultToken: Sendable {
    let value: SharedSecret
    /// Grows with each new token of a source, so that a late 403 for an old one does not throw away its
    /// successor.
    let generation: UInt64
}

/// Where tokens come from. Safe to use from many tasks.
protocol VaultTokenSource: Sendable {
    /// The present token; cheap when it is at hand.
    func token() async throws(VaultError) -> VaultToken

    /// Vault answered 403 to `token` at `path`. Whether `token()` may give another one now, so that it is worth asking
    /// again.
    func recordDenial(_ token: VaultToken, at path: String) -> Bool

    /// Vault served a request at `path` with `token`.
    func recordSuccess(_ token: VaultToken, at path: String)

    /// Keeps the token alive until the task is cancelled; returns at once where there is nothing to do.
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
