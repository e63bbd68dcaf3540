/// Why a request to Vault did not do what it should. Vault's own words are never in it: they can quote what
/// was sent.
struct VaultError: Error, Equatable, Sendable {
    enum Code: Equatable, Sendable {
        /// The calling task was cancelled.
        case cancelled
        /// No answer: DNS, connection, deadline.
        case unreachable
        /// TLS or our own request: somebody has to change the settings.
        case misconfigured
        case sealed, standby, notInitialized
        case rateLimited
        /// 5xx, or an answer that Vault does not give.
        case serverError
        /// 403
        case denied
        /// The login itself was refused: 400 or 403 of the auth method.
        case loginRejected
        case rejected(VaultRejection)
    }

    let code: Code
    /// One line: what happened and what to do.
    let message: String
    let retryAfter: Duration?

    init(_ code: Code, _ message: String, retryAfter: Duration? = nil) {
        self.code = code
        self.message = message.asOneLine
        self.retryAfter = retryAfter
    }

    /// Whether it is Vault, or the way to it, that does not serve anyone at the moment.
    var isOutage: Bool {
        switch code {
        case .unreachable, .sealed, .standby, .notInitialized, .rateLimited, .serverError: true
        case .cancelled, .misconfigured, .denied, .loginRejected, .rejected: false
        }
    }
}

/// What Vault can have against a request, as far as this version knows its texts (OpenBao 2.x, Vault 1.x).
enum VaultRejection: Equatable, Sendable {
    /// Authentication failed: wrong context, wrong key, changed ciphertext.
    case notAuthentic
    /// Not a ciphertext of this engine.
    case malformedCiphertext
    /// `min_decryption_version` is above the ciphertext's version.
    case versionTooOld
    /// The ciphertext's version is above the key's.
    case versionTooNew
    case keyNotFound
    /// No engine, auth method or namespace at the path.
    case pathNotFound
    case namespaceNotFound
    /// The key's type or settings do not allow the operation.
    case notSupported
    /// The body is larger than Vault takes, or has more JSON values.
    case tooLarge
    case unknown

    /// Reads the `errors` of an answer, or the `error` of a batch's item.
    init(status: Int, text: String) {
        let known: [(String, VaultRejection)] = [
            ("message authentication failed", .notAuthentic),
            ("too old", .versionTooOld),
            ("version is too new", .versionTooNew),
            ("encryption key not found", .keyNotFound),
            ("namespace not found", .namespaceNotFound),
            ("invalid ciphertext", .malformedCiphertext),
            ("failed to base64-decode ciphertext", .malformedCiphertext),
            ("no handler for route", .pathNotFound),
            ("unsupported path", .pathNotFound),
            ("does not support", .notSupported),
            ("not supported", .notSupported),
            ("missing 'context'", .notSupported),
            ("high complexity", .tooLarge),
        ]
        let text = text.lowercased()
        if let match = known.first(where: { text.contains($0.0) }) {
            self = match.1
        } else if status == 404 {
            self = .pathNotFound
        } else {
            self = status == 413 ? .tooLarge : .unknown
        }
    }
}
