/// Why a KMS did not serve, by what a person can do about it. The message is ours: bodies of KMS answers
/// can carry secrets and are not repeated.
package struct KeyManagerError: Error, Equatable, Sendable {
    /// Doubles as a metric label.
    package enum Code: String, Sendable, CaseIterable {
        /// The KMS refuses this ciphertext or its context. The row must change.
        case invalidCiphertext
        /// This identity may not do that. A policy must change.
        case accessDenied
        /// The key is disabled, deleted or unknown. An administrator must act.
        case keyUnavailable
        /// The backend's settings are wrong.
        case misconfigured
        /// The KMS asks us to slow down.
        case throttled
        /// The KMS cannot be reached, is sealed, or failed.
        case unavailable
        /// The calling task was cancelled.
        case cancelled
    }

    package let code: Code
    package let keyID: String
    /// What happened and what to do, in one line, without secrets.
    package let message: String
    /// How long the KMS asked us to leave it alone, where it did.
    package let retryAfter: Duration?

    package init(_ code: Code, keyID: String, message: String, retryAfter: Duration? = nil) {
        self.code = code
        self.keyID = keyID
        self.message = message
        self.retryAfter = retryAfter
    }

    /// Whether the same call can succeed without anyone changing the row. An administrator's action counts:
    /// it does not touch the row, so only a retry will notice it.
    package var isTransient: Bool { code != .invalidCiphertext }

    /// When several recipients fail, the reason that is reported: the one that is likeliest to pass.
    var reportingPriority: Int {
        switch code {
        case .cancelled: 6
        case .unavailable: 5
        case .throttled: 4
        case .accessDenied: 3
        case .keyUnavailable: 2
        case .misconfigured: 1
        case .invalidCiphertext: 0
        }
    }
}

extension KeyManagerError: CustomStringConvertible {
    package var description: String { "\(keyID): \(message)" }
}
