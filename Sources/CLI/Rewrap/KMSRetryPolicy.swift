import Envelope

/// Retries requests to a KMS that is throttling or unavailable, with exponential backoff, for a command that a user
/// waits for.
package struct KMSRetryPolicy: Sendable {
    private let attempts: Int
    private let sleep: @Sendable (Duration) async -> Void

    package init(
        attempts: Int = 6,
        sleep: @escaping @Sendable (Duration) async -> Void = { try? await Task.sleep(for: $0) }
    ) {
        self.attempts = attempts
        self.sleep = sleep
    }

    /// Calls `body` until it succeeds, fails permanently, or has had all attempts.
    func retrying<Value: Sendable>(
        _ body: () async throws(EnvelopeError) -> Value
    ) async throws(EnvelopeError) -> Value {
        for attempt in 1..<attempts {
            do throws(EnvelopeError) {
                return try await body()
            } catch .keyManager(let error) where Self.isTransient(error) {
                await pause(attempt, error.retryAfter)
            }
        }
        return try await body()
    }

    /// Rewraps recipients, and retries those that failed with a transient error.
    func rewrap(
        _ recipients: [BoundRecipient], with key: any KeyManager
    ) async -> [Result<Recipient, KeyManagerError>] {
        var results = await key.rewrap(recipients)
        for attempt in 1..<attempts {
            let transient = results.indices.filter { results[$0].failure.map(Self.isTransient) ?? false }
            guard let first = transient.first, !Task.isCancelled else { break }
            await pause(attempt, results[first].failure?.retryAfter)
            let retried = await key.rewrap(transient.map { recipients[$0] })
            for (index, result) in zip(transient, retried) { results[index] = result }
        }
        return results
    }

    private func pause(_ attempt: Int, _ retryAfter: Duration?) async {
        let backoff = Duration.milliseconds(100) * (1 << min(attempt, 6)) * Double.random(in: 0.5..<1)
        await sleep(min(max(backoff, retryAfter ?? .zero), .seconds(10)))
    }

    /// These failures can pass while a user waits; `KeyManagerError.isTransient` also counts those that need a repair.
    private static func isTransient(_ error: KeyManagerError) -> Bool {
        error.code == .unavailable || error.code == .throttled
    }
}

extension Result {
    fileprivate var failure: Failure? {
        if case .failure(let error) = self { error } else { nil }
    }
}
