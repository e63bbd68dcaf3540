import Cryptography
import Envelope

/// One data key to unwrap, under one binding. Compared by the bytes of key id, binding and wrapped key: Swift treats
/// canonically equivalent strings as equal.
struct UnwrapRequest: Hashable, Sendable {
    let recipient: Recipient
    let binding: Binding
    private let identity: [UInt8]

    init(_ recipient: Recipient, _ binding: Binding) {
        self.recipient = recipient
        self.binding = binding
        // Key ids and wrapped keys contain no NUL, and a binding has a fixed number of parts.
        identity =
            Array(recipient.keyID.utf8) + [0] + binding.bytes + [0] + Array(recipient.wrappedKey.utf8) + [0]
            + Array((recipient.algorithm ?? "").utf8)
    }

    static func == (left: Self, right: Self) -> Bool { left.identity == right.identity }

    func hash(into hasher: inout Hasher) { hasher.combine(identity) }
}

/// A key manager that unwraps many data keys in one request.
protocol BatchUnwrapping: KeyManager {
    typealias UnwrapResult = Result<UnwrappedKey, KeyManagerError>

    /// The most items in one request.
    var maximumBatch: Int { get }

    /// Rejects a recipient that the KMS would reject, without a request.
    func validate(_ request: UnwrapRequest) throws(KeyManagerError)

    /// Unwraps many data keys.
    ///
    /// - Parameter timeout: The time for the whole call, or nil for the default.
    /// - Returns: One result for each request, in their order.
    /// - Throws: An error that concerns all requests: the KMS did not serve.
    func unwrap(
        _ requests: [UnwrapRequest], timeout: Duration?
    ) async throws(KeyManagerError) -> [UnwrapResult]
}

/// Sends the unwraps of its base in batches, through a circuit breaker, and passes on everything else.
final class BatchingKeyManager<Base: BatchUnwrapping>: KeyManager {
    private let base: Base
    private let breaker: CircuitBreaker<Base>
    private let batcher: UnwrapBatcher

    /// - Parameter backlog: The number of unwraps that will follow; see `UnwrapBatcher`.
    init(
        _ base: Base, backlog: UnwrapBacklog = UnwrapBacklog(),
        policy: BatchMachine<UnwrapRequest>.Policy = .init()
    ) {
        self.base = base
        let breaker = CircuitBreaker(base)
        self.breaker = breaker
        var policy = policy
        policy.maximumSize = min(policy.maximumSize, base.maximumBatch)
        batcher = UnwrapBatcher(policy, backlog: backlog) { await breaker.unwrap($0) }
    }

    var keyID: String { base.keyID }

    func accepts(keyID: String) -> Bool { base.accepts(keyID: keyID) }

    func generateDataKey(for binding: Binding) async throws(KeyManagerError) -> DataKey {
        try await base.generateDataKey(for: binding)
    }

    func wrap(_ dataKey: SharedSecret, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        try await base.wrap(dataKey, for: binding)
    }

    func unwrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> UnwrappedKey {
        let request = UnwrapRequest(recipient, binding)
        try base.validate(request)
        return try await batcher.unwrap(request)
    }

    func rewrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        try await base.rewrap(recipient, for: binding)
    }

    func rewrap(_ recipients: [BoundRecipient]) async -> [Result<Recipient, KeyManagerError>] {
        await base.rewrap(recipients)
    }
}

extension BatchingKeyManager: PublicKeyExporting, DiagnosableKeyManager, MaintainedKeyManager {
    func exportPublicKey() async throws(KeyManagerError) -> RecipientKey { try await base.publicKey() }

    func resolveKeyID() async throws(KeyManagerError) {
        if let base = base as? any DiagnosableKeyManager { try await base.resolveKeyID() }
    }

    func selfTest() async -> SelfTestResult { await base.diagnose() }

    func maintain(onRecovery: @escaping @Sendable () -> Void) async {
        await withDiscardingTaskGroup { group in
            if let base = base as? any MaintainedKeyManager {
                group.addTask { await base.maintain(onRecovery: onRecovery) }
            }
            group.addTask { [breaker] in await breaker.probe(onRecovery: onRecovery) }
        }
    }
}
