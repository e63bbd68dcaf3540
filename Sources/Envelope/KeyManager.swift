package import Cryptography
import System

/// A new data key, in plaintext and wrapped.
package struct DataKey: Sendable {
    package let key: SharedSecret
    package let recipient: Recipient

    package init(key: SharedSecret, recipient: Recipient) {
        self.key = key
        self.recipient = recipient
    }
}

/// A data key that a KMS unwrapped.
package struct UnwrappedKey: Sendable {
    package let key: SharedSecret
    /// The version of the KMS key that wrapped it, where the backend reports one.
    package let keyVersion: String?

    package init(key: SharedSecret, keyVersion: String? = nil) {
        self.key = key
        self.keyVersion = keyVersion
    }
}

/// One key-encryption key (KEK) in one KMS. Implementations are safe to call from many tasks at once, give every request a
/// deadline, and return early when the calling task is cancelled.
///
/// The binding says for which Secrets a data key is. It is the encryption context at the KMS, where the KMS has one: a wrapped
/// key that was moved to another place cannot be unwrapped.
package protocol KeyManager: Sendable {
    /// The id of the key, as recipients carry it. A key that settings name by an alias has the alias as its id until the KMS
    /// has resolved it.
    var keyID: String { get }

    /// Returns true if this key unwraps recipients with this key id. Decided from the id alone, without a request: hosts,
    /// paths and key names come from the configuration, never from a WrappedSecret. A backend that cannot decide from the
    /// id returns true, and `unwrap` decides before it sends the ciphertext.
    func accepts(keyID: String) -> Bool

    /// Generates a data key of 32 bytes.
    func generateDataKey(for binding: Binding) async throws(KeyManagerError) -> DataKey

    /// Wraps an existing data key, for a further recipient.
    func wrap(_ dataKey: SharedSecret, for binding: Binding) async throws(KeyManagerError) -> Recipient

    /// Unwraps a data key that this key wrapped under the same binding.
    func unwrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> UnwrappedKey

    /// Wraps the same data key under the newest version of this key. Where the KMS supports it, this process does not see
    /// the data key.
    func rewrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> Recipient

    /// Rewraps many, in batches where the KMS supports them.
    ///
    /// - Returns: One result for each recipient, in their order.
    func rewrap(_ recipients: [BoundRecipient]) async -> [Result<Recipient, KeyManagerError>]
}

extension KeyManager {
    /// Unwraps and wraps, for a KMS without a request to rewrap.
    package func rewrap(
        _ recipient: Recipient, for binding: Binding
    ) async throws(KeyManagerError) -> Recipient {
        try await wrap(unwrap(recipient, for: binding).key, for: binding)
    }

    /// Rewraps one at a time, a few concurrently, for a KMS without batches.
    package func rewrap(_ recipients: [BoundRecipient]) async -> [Result<Recipient, KeyManagerError>] {
        await mapConcurrently(recipients, limit: 16) { item in
            do throws(KeyManagerError) {
                return .success(try await rewrap(item.recipient, for: item.binding))
            } catch {
                return .failure(error)
            }
        }
    }
}

/// A KMS request failed. The cases distinguish what an operator or user can do. The message is composed here: bodies of KMS
/// responses can carry secrets and are not repeated.
package struct KeyManagerError: Error, Equatable, Sendable {
    /// The raw value is a metric label.
    package enum Code: String, Sendable, CaseIterable {
        /// The KMS rejects this ciphertext or its context. The WrappedSecret must change.
        case invalidCiphertext
        /// The KMS denies the operation to this identity. A policy must change.
        case accessDenied
        /// The key is disabled, deleted or unknown. An administrator must act.
        case keyUnavailable
        /// The settings of the backend are wrong.
        case misconfigured
        /// The KMS limits the rate of requests.
        case throttled
        /// The KMS cannot be reached, is sealed, or failed.
        case unavailable
        /// The calling task was cancelled.
        case cancelled
    }

    package let code: Code
    package let keyID: String
    /// The problem and its remedy, in one line, without secrets.
    package let message: String
    /// The delay that the KMS asked for, if it did.
    package let retryAfter: Duration?
    /// True if the ciphertext names the version or the key that cannot be used, so that the error says nothing of others.
    package let concernsOneCiphertext: Bool

    package init(
        _ code: Code, keyID: String, message: String, retryAfter: Duration? = nil,
        concernsOneCiphertext: Bool = false
    ) {
        self.code = code
        self.keyID = keyID
        self.message = message
        self.retryAfter = retryAfter
        self.concernsOneCiphertext = concernsOneCiphertext
    }

    /// True if the same request can succeed while the WrappedSecret stays as it is. That includes what an administrator has
    /// to repair in the KMS, which only a retry notices.
    package var isTransient: Bool { code != .invalidCiphertext }

    /// Orders the failures of several recipients: the one that is likeliest to pass is reported.
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
