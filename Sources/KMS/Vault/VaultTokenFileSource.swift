import Cryptography
import System

/// A token in a file that others replace: an agent, or a person who logs in. It is read again when it changes;
/// while it cannot be read, the last token goes on being used.
final class VaultTokenFileSource: VaultTokenSource {
    private struct State {
        var token: VaultToken?
        var stamp: FileFingerprint?
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
        let stamp = FileFingerprint(path: path)
        return try state.withLock { state throws(VaultError) in
            if let token = state.token, !state.mustRead, stamp == state.stamp { return token }
            do throws(VaultError) {
                let value = try VaultSecretFile.read(
                    path, purpose: "the Vault token", variable: VaultVariables.token + "_FILE")
                if state.token?.value.bytes.equals(value.bytes) != true {
                    state.token = VaultToken(value: value, generation: (state.token?.generation ?? 0) + 1)
                }
                state.stamp = stamp
                state.mustRead = false
            } catch {
                guard state.token != nil else { throw error }
            }
            guard let token = state.token else {
                throw VaultError(.misconfigured, "\(path) holds no token")
            }
            return token
        }
    }
}
