import Envelope

extension KeyManagerError {
    /// What a failure at Vault is to whoever wants a key.
    init(_ error: VaultError, keyID: String) {
        let code: Code =
            switch error.code {
            case .cancelled: .cancelled
            case .unreachable, .sealed, .standby, .notInitialized, .serverError: .unavailable
            case .rateLimited: .throttled
            case .misconfigured: .misconfigured
            case .denied, .loginRejected: .accessDenied
            case .rejected(.notAuthentic), .rejected(.malformedCiphertext): .invalidCiphertext
            case .rejected(.keyNotFound), .rejected(.versionTooOld), .rejected(.versionTooNew):
                .keyUnavailable
            // A reason that is not known may be anybody's fault: the row must not be given up for it.
            case .rejected: .misconfigured
            }
        self.init(code, keyID: keyID, message: error.message, retryAfter: error.retryAfter)
    }
}
