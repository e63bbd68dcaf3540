import Concurrency
import Envelope
import System

/// A request to Vault failed. The message is composed here: errors of Vault can quote what was sent, and are not repeated.
struct VaultError: RefreshFailure, Equatable {
    enum Code: Equatable, Sendable {
        /// The calling task was cancelled.
        case cancelled
        /// There was no response: DNS, connection, deadline.
        case unreachable
        /// TLS, or the request itself: the settings must change.
        case misconfigured
        case sealed, standby, notInitialized
        case rateLimited
        /// A status of 5xx, or a response that Vault does not send.
        case serverError
        /// A status of 403.
        case denied
        /// The auth method rejected the login, with a status of 400 or 403.
        case loginRejected
        case rejected(VaultRejection)
    }

    let code: Code
    /// The problem and its remedy, in one line.
    let message: String
    let retryAfter: Duration?

    init(_ code: Code, _ message: String, retryAfter: Duration? = nil) {
        self.code = code
        self.message = message.asOneLine
        self.retryAfter = retryAfter
    }

    init(_ rejection: VaultRejection, of path: String, at endpoint: VaultEndpoint) {
        self.init(.rejected(rejection), rejection.message(path, at: endpoint))
    }

    init(_ error: IdentityTokenError) {
        let code: Code =
            switch error.code {
            case .misconfigured: .misconfigured
            case .denied: .loginRejected
            case .unavailable: .unreachable
            case .cancelled: .cancelled
            }
        self.init(code, error.message, retryAfter: error.retryAfter)
    }

    /// True if Vault, or the network path to it, serves no requests at the moment.
    var isOutage: Bool {
        switch code {
        case .unreachable, .sealed, .standby, .notInitialized, .rateLimited, .serverError: true
        case .cancelled, .misconfigured, .denied, .loginRejected, .rejected: false
        }
    }
}

/// The reasons for which Vault rejects a request, as far as this version knows their texts (OpenBao 2.x, Vault 1.x).
enum VaultRejection: Equatable, Sendable {
    /// The authentication of the ciphertext failed: wrong context, wrong key, changed ciphertext.
    case notAuthentic
    /// The text is no ciphertext of this engine.
    case malformedCiphertext
    /// `min_decryption_version` is above the version of the ciphertext.
    case versionTooOld
    /// The version of the ciphertext is above that of the key.
    case versionTooNew
    case keyNotFound
    /// OpenBao keeps a key that was deleted softly, and does not use it.
    case keyDeleted
    /// There is no engine, auth method or namespace at the path.
    case pathNotFound
    case namespaceNotFound
    /// The type or the settings of the key do not allow the operation.
    case notSupported
    /// The body exceeds Vault's limit of bytes or of JSON values.
    case tooLarge
    case unknown

    /// The text, in lower case, for a ciphertext that an RSA key does not decrypt. Its status is 500, which would count as
    /// an outage: one forged ciphertext must not stop the requests for all others.
    static let rsaDecryptionFailure = "failed to rsa decrypt the ciphertext"

    /// Classifies the `errors` of a response, or the `error` of an item in a batch.
    init(status: Int, text: String) {
        let known: [(String, VaultRejection)] = [
            ("message authentication failed", .notAuthentic),
            (VaultRejection.rsaDecryptionFailure, .notAuthentic),
            ("too old", .versionTooOld),
            ("version is too new", .versionTooNew),
            ("encryption key not found", .keyNotFound),
            ("soft-deleted key", .keyDeleted),
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

    fileprivate func message(_ path: String, at endpoint: VaultEndpoint) -> String {
        switch self {
        case .notAuthentic, .malformedCiphertext:
            "Vault rejects the wrapped key: it was changed, wrapped by another key, or wrapped for another "
                + "namespace, name or scope"
        case .versionTooOld:
            "the key version that wrapped the data key is below the key's min_decryption_version; lower that, or "
                + "wrap the values again"
        case .versionTooNew:
            "the key version that wrapped the data key is newer than those of \(path); was the key deleted and "
                + "created again, or Vault restored from a backup?"
        case .keyNotFound:
            "\(endpoint) has no key for \(path); check \(VaultVariables.key), \(VaultVariables.previousKeys) and "
                + "\(VaultVariables.mount), or create the key"
        case .keyDeleted:
            "the key for \(path) is deleted at \(endpoint), and can be restored; restore it, or use another key"
        case .pathNotFound:
            "\(endpoint) has nothing at \(path); check \(VaultVariables.mount), "
                + "\(VaultVariables.authenticationMount) and \(VaultVariables.namespace)"
        case .namespaceNotFound:
            "\(endpoint) has no such namespace; check \(VaultVariables.namespace)"
        case .notSupported:
            "the key's type or settings do not allow \(path); use a key of type aes256-gcm96, best with "
                + "derived=true"
        case .tooLarge:
            "the request exceeds the size limit of \(endpoint)"
        case .unknown:
            "\(endpoint) rejects \(path) for a reason that this version does not know; see Vault's audit log"
        }
    }
}

extension KeyManagerError {
    init(_ error: VaultError, keyID: String) {
        let code: Code =
            switch error.code {
            case .cancelled: .cancelled
            case .unreachable, .sealed, .standby, .notInitialized, .serverError: .unavailable
            case .rateLimited: .throttled
            case .misconfigured: .misconfigured
            case .denied, .loginRejected: .accessDenied
            case .rejected(.notAuthentic), .rejected(.malformedCiphertext): .invalidCiphertext
            case .rejected(.keyNotFound), .rejected(.keyDeleted), .rejected(.versionTooOld),
                .rejected(.versionTooNew):
                .keyUnavailable
            // An unknown reason must not become a terminal error of the WrappedSecret, which may not be its cause.
            case .rejected: .misconfigured
            }
        self.init(
            code, keyID: keyID, message: error.message, retryAfter: error.retryAfter,
            concernsOneCiphertext: [.rejected(.versionTooOld), .rejected(.versionTooNew)].contains(error.code)
        )
    }
}
