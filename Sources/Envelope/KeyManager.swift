package import Cryptography
import System

/// One key that wraps data keys: `spec.recipients[]` of a WrappedSecret.
package struct Recipient: Hashable, Sendable {
    /// Which key wrapped, in the form its backend gives it: `vault-transit:transit/sb-wrap`.
    package var keyID: String
    /// The wrapped data key, in the backend's own text form or base64 of its bytes.
    package var wrappedKey: String

    package init(keyID: String, wrappedKey: String) {
        self.keyID = keyID
        self.wrappedKey = wrappedKey
    }
}

/// A recipient and the place that its data key was made for.
package struct BoundRecipient: Sendable {
    package let recipient: Recipient
    package let binding: Binding

    package init(_ recipient: Recipient, for binding: Binding) {
        self.recipient = recipient
        self.binding = binding
    }
}

/// A fresh data key, in the clear and wrapped.
package struct DataKey: Sendable {
    package let key: SharedSecret
    package let recipient: Recipient

    package init(key: SharedSecret, recipient: Recipient) {
        self.key = key
        self.recipient = recipient
    }
}

/// A data key that came back from its KMS.
package struct UnwrappedKey: Sendable {
    package let key: SharedSecret
    /// Which version of the KMS key wrapped it, where the backend shows that.
    package let keyVersion: String?

    package init(key: SharedSecret, version: String? = nil) {
        self.key = key
        self.keyVersion = version
    }
}

/// One key-encryption key in one KMS. Implementations are safe to call from many tasks at once, give every
/// network call a deadline, and end early when the calling task is cancelled.
///
/// The binding goes to the KMS as its encryption context, where it has one: a wrapped key that was moved
/// to another place must not unwrap.
package protocol KeyManager: Sendable {
    /// The key's id, as it is written into recipients. Where settings call the key by another name, and the KMS
    /// has not said yet which key that is: that name.
    var keyID: String { get }

    /// Whether a recipient with this key id is this key's to unwrap. Decided on the id alone, without a
    /// call: hosts, paths and key names come from configuration, never from a row. Where more must be known of
    /// the key to tell, it is yes, and `unwrap` finds out before it sends anything.
    func accepts(keyID: String) -> Bool

    /// Makes a data key of 32 bytes.
    func generateDataKey(for binding: Binding) async throws(KeyManagerError) -> DataKey

    /// Wraps an existing data key, for a second recipient.
    func wrap(_ dataKey: SharedSecret, for binding: Binding) async throws(KeyManagerError) -> Recipient

    /// Unwraps what this key wrapped under the same binding.
    func unwrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> UnwrappedKey

    /// As `unwrap`, from a caller that knows how many further unwraps will come within moments: a KMS that takes
    /// many at once is given the time to collect them.
    func unwrap(
        _ recipient: Recipient, for binding: Binding, followedBy more: Int
    ) async throws(KeyManagerError) -> UnwrappedKey

    /// Wraps the same data key under the newest version of this key. A KMS that can, does it without
    /// showing the data key to this process.
    func rewrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> Recipient

    /// As `rewrap`, of many: one result for each, in their order. A KMS that takes many at once gets them so.
    func rewrap(_ recipients: [BoundRecipient]) async -> [Result<Recipient, KeyManagerError>]

    /// Finds out which key the settings mean, so that `keyID` is what recipients of the key say. Uses the right to
    /// wrap, where the KMS does not tell otherwise.
    func resolveKeyID() async throws(KeyManagerError)

    /// Finds out whether the key can be used as it is configured, without a recipient to try it on.
    func selfTest() async -> SelfTestResult

    /// What has to happen beside the calls: credentials are kept alive, and a KMS that is out is asked, one
    /// probe at a time, whether it is back. `onRecovery` is called when it serves again after it did not:
    /// whatever waits for this key is then worth a try at once.
    ///
    /// For long-lived processes, in one task. Returns when that is cancelled, or when there is nothing to do.
    func maintain(onRecovery: @escaping @Sendable () -> Void) async
}

extension KeyManager {
    /// For a KMS that takes one at a time.
    package func unwrap(
        _ recipient: Recipient, for binding: Binding, followedBy more: Int
    ) async throws(KeyManagerError) -> UnwrappedKey {
        try await unwrap(recipient, for: binding)
    }

    /// For a KMS that has no such call: unwraps and wraps.
    package func rewrap(
        _ recipient: Recipient, for binding: Binding
    ) async throws(KeyManagerError) -> Recipient {
        try await wrap(unwrap(recipient, for: binding).key, for: binding)
    }

    /// For a KMS that takes one at a time: a few at once.
    package func rewrap(_ recipients: [BoundRecipient]) async -> [Result<Recipient, KeyManagerError>] {
        await mapConcurrently(recipients, limit: 16) { item in
            do throws(KeyManagerError) {
                return .success(try await rewrap(item.recipient, for: item.binding))
            } catch {
                return .failure(error)
            }
        }
    }

    /// For a key whose id its settings tell.
    package func resolveKeyID() async throws(KeyManagerError) {}

    package func selfTest() async -> SelfTestResult {
        await .roundTrip(of: self)
    }

    package func maintain(onRecovery: @escaping @Sendable () -> Void) async {}
}
