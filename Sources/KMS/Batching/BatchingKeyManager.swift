import Cryptography
import Envelope

/// A key manager whose unwraps go out in batches, through a circuit breaker. What else it does, it does as its
/// base does.
final class BatchingKeyManager<Base: BatchUnwrapping>: KeyManager {
    private let base: Base
    private let guarded: CircuitBreakingUnwrapper<Base>
    private let batcher: UnwrapBatcher

    init(_ base: Base, rules: BatchMachine<UnwrapRequest>.Policy = .init()) {
        self.base = base
        let guarded = CircuitBreakingUnwrapper(base)
        self.guarded = guarded
        var rules = rules
        rules.maximumSize = min(rules.maximumSize, base.maximumBatch)
        batcher = UnwrapBatcher(rules) { await guarded.unwrap($0) }
    }

    var keyID: String { base.keyID }

    func accepts(keyID: String) -> Bool { base.accepts(keyID: keyID) }

    func generateDataKey(for binding: Binding) async throws(KeyManagerError) -> DataKey {
        try await base.generateDataKey(for: binding)
    }

    func wrap(_ dataKey: SharedSecret, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        try await base.wrap(dataKey, for: binding)
    }

    func rewrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        try await base.rewrap(recipient, for: binding)
    }

    func rewrap(_ recipients: [BoundRecipient]) async -> [Result<Recipient, KeyManagerError>] {
        await base.rewrap(recipients)
    }

    func resolveKeyID() async throws(KeyManagerError) { try await base.resolveKeyID() }

    func unwrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> UnwrappedKey {
        try await unwrap(recipient, for: binding, followedBy: 0)
    }

    func unwrap(
        _ recipient: Recipient, for binding: Binding, followedBy more: Int
    ) async throws(KeyManagerError) -> UnwrappedKey {
        let request = UnwrapRequest(recipient, binding)
        try base.validate(request)
        return try await batcher.unwrap(request, followedBy: more)
    }

    func selfTest() async -> SelfTestResult { await base.selfTest() }

    func maintain(onRecovery: @escaping @Sendable () -> Void) async {
        await withDiscardingTaskGroup { group in
            group.addTask { [base] in await base.maintain(onRecovery: onRecovery) }
            group.addTask { [guarded] in await guarded.probe(onRecovery: onRecovery) }
        }
    }
}
