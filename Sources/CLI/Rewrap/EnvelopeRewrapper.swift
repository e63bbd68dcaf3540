import Cryptography
package import Envelope
import KubeClient
import Resources
import System

/// Rewraps the data keys of envelopes for other recipients, as a strategy determines. It decrypts no values and writes
/// nothing.
package struct EnvelopeRewrapper: Sendable {
    package enum Outcome: Sendable {
        /// The recipients already are as the strategy requires.
        case current
        case changed(RecipientChange)
        case failed(String)
        /// The task was cancelled before the outcome was known.
        case interrupted

        /// Returns the recipients after the change.
        func recipients(of old: [Recipient]) -> [Recipient] {
            if case .changed(let change) = self { change.result } else { old }
        }
    }

    private let keys: KeyRing
    private let strategy: RewrapStrategy
    private let retryPolicy: KMSRetryPolicy

    /// The number of envelopes whose KMS requests are in flight at once.
    private static let concurrency = 200

    package init(keys: KeyRing, strategy: RewrapStrategy, retryPolicy: KMSRetryPolicy = KMSRetryPolicy()) {
        self.keys = keys
        self.strategy = strategy
        self.retryPolicy = retryPolicy
    }

    /// An envelope with its plan and the result so far.
    private struct Work: Sendable {
        let envelope: Envelope
        let steps: [RecipientPlan.Step]
        var recipients: [Recipient?]
        var failure: Failure?

        enum Failure: Sendable {
            case refused(String)
            case interrupted
        }
    }

    /// Returns one outcome for each envelope, in their order.
    ///
    /// - Parameter requirements: The recipients that rules require of the envelopes, in place of the strategy.
    package func rewrap(
        _ envelopes: [Envelope], requirements: [Int: RecipientRequirement] = [:]
    ) async -> [Outcome] {
        var work = envelopes.enumerated().map { index, envelope in
            plan(envelope, requirements[index].map { .follow($0) } ?? strategy)
        }
        await refresh(&work)
        let rest = work
        keys.backlog.follow { rest.count }
        return await mapConcurrently(rest, limit: Self.concurrency) { await finish($0) }
    }

    private func plan(_ envelope: Envelope, _ strategy: RewrapStrategy) -> Work {
        do throws(InputError) {
            let steps = try RecipientPlan.steps(envelope.recipients, strategy, keys)
            return Work(envelope: envelope, steps: steps, recipients: envelope.recipients)
        } catch {
            return Work(
                envelope: envelope, steps: [], recipients: envelope.recipients,
                failure: .refused(error.description))
        }
    }

    /// Executes the steps that the KMS does without revealing the data key, in batches.
    private func refresh(_ work: inout [Work]) async {
        for (keyIndex, key) in keys.all.enumerated() {
            var items: [(envelope: Int, recipient: Int)] = []
            for (index, work) in work.enumerated() {
                for case .refresh(let recipient, keyIndex) in work.steps { items.append((index, recipient)) }
            }
            guard !items.isEmpty else { continue }
            let bound = items.map {
                BoundRecipient(
                    work[$0.envelope].envelope.recipients[$0.recipient],
                    for: work[$0.envelope].envelope.binding)
            }
            let results = await retryPolicy.rewrap(bound, with: key)
            for (item, result) in zip(items, results) {
                switch result {
                case .success(let new):
                    // The same key version is no reason to change the WrappedSecret. Where ciphertexts carry no version,
                    // the key manager returns a recipient of the newest version as it is.
                    let old = work[item.envelope].envelope.recipients[item.recipient]
                    if old.isVersioned ? !new.hasSameKeyVersion(as: old) : new != old {
                        work[item.envelope].recipients[item.recipient] = new
                    }
                case .failure(let error) where error.code == .cancelled:
                    work[item.envelope].failure = .interrupted
                case .failure(let error): work[item.envelope].failure = .refused(error.description)
                }
            }
        }
    }

    /// Executes the steps that need the data key, and verifies that the remaining recipients unwrap it.
    private func finish(_ work: Work) async -> Outcome {
        switch work.failure {
        case .interrupted: return .interrupted
        case .refused(let problem): return .failed(problem)
        case nil: break
        }
        do throws(EnvelopeError) {
            let change = try await change(work)
            return change.isEmpty ? .current : .changed(change)
        } catch .keyManager(let error) where error.code == .cancelled {
            return .interrupted
        } catch {
            return .failed(error.description)
        }
    }

    private func change(_ work: Work) async throws(EnvelopeError) -> RecipientChange {
        let envelope = work.envelope
        var recipients = work.recipients
        var added: [Recipient] = []
        var removesAny = false
        if work.steps.contains(where: \.needsDataKey) {
            let dataKey = try await retryPolicy.retrying { () throws(EnvelopeError) in
                try await envelope.unwrapDataKey(with: keys, envelope.recipients).key.key
            }
            for step in work.steps {
                switch step {
                case .replace(let index, let key):
                    recipients[index] = try await wrap(dataKey, envelope.binding, key)
                case .add(let key): added.append(try await wrap(dataKey, envelope.binding, key))
                case .refresh, .remove, .supersede: break
                }
            }
        }
        for step in work.steps {
            switch step {
            case .supersede(let index, let successor):
                if let recipient = recipients[successor] {
                    try await verify(envelope, [recipient])
                }
                recipients[index] = nil
            case .remove(let index):
                recipients[index] = nil
                removesAny = true
            case .replace: removesAny = true
            case .refresh, .add: break
            }
        }
        let change = RecipientChange(old: envelope.recipients, replacements: recipients, added: added)
        try EnvelopeValidation.check(recipients: change.result)
        if removesAny { try await verify(envelope, change.result) }
        return change
    }

    /// Verifies that at least one of these recipients unwraps the data key of the envelope.
    private func verify(
        _ envelope: Envelope, _ recipients: [Recipient]
    ) async throws(EnvelopeError) {
        _ = try await retryPolicy.retrying { () throws(EnvelopeError) in
            try await envelope.unwrapDataKey(with: keys, recipients)
        }
    }

    private func wrap(
        _ dataKey: SharedSecret, _ binding: Binding, _ key: Int
    ) async throws(EnvelopeError) -> Recipient {
        try await retryPolicy.retrying { () throws(EnvelopeError) in
            do throws(KeyManagerError) {
                return try await keys.all[key].wrap(dataKey, for: binding)
            } catch {
                throw .keyManager(error)
            }
        }
    }
}

extension WrappedSecret {
    /// The envelope, or the error that makes it invalid.
    var parsedEnvelope: Result<Envelope, InputError> {
        do throws(EnvelopeError) {
            return .success(
                try Envelope(spec.envelope, namespace: metadata.namespace, secretName: secretName))
        } catch {
            return .failure(InputError(error.description))
        }
    }
}

extension RecipientPlan.Step {
    fileprivate var needsDataKey: Bool {
        switch self {
        case .replace, .add: true
        case .refresh, .remove, .supersede: false
        }
    }
}
