import Envelope

extension KeyManagerError {
    /// What a failure at Vault is to whoever wants a key.
    init(_ error: VaultError, keyID: String) {
        let code: Code =
            switch error.code {
            case .cancelled: .cancelled
            case .unreachable, .sealed, .standby, .notInitialized, .failed: .unavailable
            case .rateLimited: .throttled
            case .misconfigured: .misconfigured
            case .denied, .loginRefused: .accessDenied
            case .refused(.notAuthentic), .refused(.malformedCiphertext): .invalidCiphertext
            case .refused(.keyNotFound), .refused(.versionTooOld), .refused(.versionTooNew): .keyUnavailable
            // A reason that is not known may be anybody's fault: the row must not be given up for it.
            case .refused: .misconfigured
            }
        self.init(code, keyID: keyID, message: error.message, retryAfter: error.retryAfter)
    }
}
