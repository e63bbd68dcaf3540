/// Keeps a token alive that came without a login: from a setting or a file. In a long-lived process a periodic
/// token then never ends, and another lives up to its maximum.
struct RenewingVaultTokenSource: VaultTokenSource {
    let base: any VaultTokenSource
    let client: VaultClient

    /// A token may be another one by then.
    private static let longestPause = Duration.seconds(3600)
    private static let pauseAfterFailure = Duration.seconds(10)
    private static let pauseWhenRefused = Duration.seconds(600)

    func token() async throws(VaultError) -> VaultToken { try await base.token() }
    func recordDenial(_ token: VaultToken, at path: String) -> Bool { base.recordDenial(token, at: path) }

    func maintain() async {
        while (try? await Task.sleep(for: await renew())) != nil {}
    }

    /// Renews once. Returns when to do it again.
    private func renew() async -> Duration {
        do throws(VaultError) {
            let lease = try await VaultRenewal.renew(base.token().value, client)
            // Root tokens have no end.
            guard lease.duration > .zero, lease.isRenewable else { return Self.longestPause }
            return min(max(lease.duration * 2 / 3, .seconds(1)), Self.longestPause)
        } catch {
            return error.isOutage ? Self.pauseAfterFailure : Self.pauseWhenRefused
        }
    }
}
