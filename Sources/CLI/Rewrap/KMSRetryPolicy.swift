import Envelope

/// How often a KMS that is busy or away for a moment is asked again, by a command that people wait for.
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

    func retrying<Value: Sendable>(
        _ body: () async throws(EnvelopeError) -> Value
    ) async throws(EnvelopeError) -> Value {
        for attempt in 1..<attempts {
            do throws(EnvelopeError) {
                return try await body()
            } catch .keyManager(let error) where Self.mayPass(error) {
                await pause(attempt, error.retryAfter)
            }
        }
        return try await body()
    }

    /// Those that the KMS did not get to are asked for again, the others are not.
    func rewrap(
        _ recipients: [BoundRecipient], with key: any KeyManager
    ) async -> [Result<Recipient, KeyManagerError>] {
        var results = await key.rewrap(recipients)
        for attempt in 1..<attempts {
            let open = results.indices.filter { results[$0].failure.map(Self.mayPass) ?? false }
            guard let first = open.first, !Task.isCancelled else { break }
            await pause(attempt, results[first].failure?.retryAfter)
            for (place, result) in zip(open, await key.rewrap(open.map { recipients[$0] })) {
                results[place] = result
            }
        }
        return results
    }

    private func pause(_ attempt: Int, _ asked: Duration?) async {
        let own = Duration.milliseconds(100) * (1 << min(attempt, 6)) * Double.random(in: 0.5..<1)
        await sleep(min(max(own, asked ?? .zero), .seconds(10)))
    }

    private static func mayPass(_ error: KeyManagerError) -> Bool {
        error.code == .unavailable || error.code == .throttled
    }
}

extension Result {
    fileprivate var failure: Failure? {
        if case .failure(let error) = self { error } else { nil }
    }
}
