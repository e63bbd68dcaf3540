import Cryptography
package import Envelope
import System

/// Wraps the data keys of rows anew, as an order says. No value is decrypted, and nothing is written here.
package struct EnvelopeRewrapper: Sendable {
    package enum Outcome: Sendable {
        /// Everything is as the order wants it.
        case current
        case changed(RecipientChange)
        case failed(String)
        /// The task was cancelled before it could be known.
        case interrupted

        /// Those of the row when all is done.
        func recipients(of old: [Recipient]) -> [Recipient] {
            if case .changed(let change) = self { change.result } else { old }
        }
    }

    private let keys: KeyRing
    private let order: RewrapStrategy
    private let patience: KMSRetryPolicy

    /// Rows of which each may ask the KMS for itself, at once.
    private static let concurrency = 200

    package init(keys: KeyRing, order: RewrapStrategy, patience: KMSRetryPolicy = KMSRetryPolicy()) {
        self.keys = keys
        self.order = order
        self.patience = patience
    }

    /// A row with what is planned for it, and what came of it so far.
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

    /// One outcome for each, in their order.
    package func rewrap(_ envelopes: [Envelope]) async -> [Outcome] {
        var work = envelopes.map(plan)
        await refresh(&work)
        let rest = work
        return await mapConcurrently(rest, limit: Self.concurrency) { await finish($0, of: rest.count) }
    }

    private func plan(_ envelope: Envelope) -> Work {
        do throws(InputError) {
            let steps = try RecipientPlan.steps(envelope.recipients, order, keys)
            return Work(envelope: envelope, steps: steps, recipients: envelope.recipients)
        } catch {
            return Work(
                envelope: envelope, steps: [], recipients: envelope.recipients,
                failure: .refused(error.description))
        }
    }

    /// What the KMS does itself, in its batches.
    private func refresh(_ work: inout [Work]) async {
        for (place, key) in keys.all.enumerated() {
            var items: [(row: Int, recipient: Int)] = []
            for (row, work) in work.enumerated() {
                for case .refresh(let recipient, place) in work.steps { items.append((row, recipient)) }
            }
            guard !items.isEmpty else { continue }
            let bound = items.map {
                BoundRecipient(
                    work[$0.row].envelope.recipients[$0.recipient], for: work[$0.row].envelope.binding)
            }
            let results = await patience.rewrap(bound, with: key)
            for (item, result) in zip(items, results) {
                switch result {
                case .success(let new):
                    // The same version again is no reason to touch the row.
                    let old = work[item.row].envelope.recipients[item.recipient]
                    if !new.hasSameKeyVersion(as: old) { work[item.row].recipients[item.recipient] = new }
                case .failure(let error) where error.code == .cancelled: work[item.row].failure = .interrupted
                case .failure(let error): work[item.row].failure = .refused(error.description)
                }
            }
        }
    }

    /// What needs the data key: other keys' recipients, and the proof that those that stay open the row.
    private func finish(_ work: Work, of rows: Int) async -> Outcome {
        switch work.failure {
        case .interrupted: return .interrupted
        case .refused(let why): return .failed(why)
        case nil: break
        }
        do throws(EnvelopeError) {
            let change = try await change(work, of: rows)
            return change.isEmpty ? .current : .changed(change)
        } catch .keyManager(let error) where error.code == .cancelled {
            return .interrupted
        } catch {
            return .failed(error.description)
        }
    }

    private func change(_ work: Work, of rows: Int) async throws(EnvelopeError) -> RecipientChange {
        let envelope = work.envelope
        var recipients = work.recipients
        var added: [Recipient] = []
        var isAnyGone = false
        if work.steps.contains(where: \.needsDataKey) {
            let dataKey = try await patience.retrying { () throws(EnvelopeError) in
                try await envelope.unwrapDataKey(with: keys, envelope.recipients, followedBy: rows).key.key
            }
            for step in work.steps {
                switch step {
                case .replace(let place, let key):
                    recipients[place] = try await wrap(dataKey, envelope.binding, key)
                case .add(let key): added.append(try await wrap(dataKey, envelope.binding, key))
                case .refresh, .remove, .supersede: break
                }
            }
        }
        for step in work.steps {
            switch step {
            case .supersede(let place, let successor):
                if let recipient = recipients[successor] {
                    try await prove(envelope, [recipient], of: rows)
                }
                recipients[place] = nil
            case .remove(let place):
                recipients[place] = nil
                isAnyGone = true
            case .replace: isAnyGone = true
            case .refresh, .add: break
            }
        }
        let change = RecipientChange(old: envelope.recipients, replacements: recipients, added: added)
        try EnvelopeValidation.check(recipients: change.result)
        if isAnyGone { try await prove(envelope, change.result, of: rows) }
        return change
    }

    /// That one of these recipients, at least, opens the row.
    private func prove(
        _ envelope: Envelope, _ recipients: [Recipient], of rows: Int
    ) async throws(EnvelopeError) {
        _ = try await patience.retrying { () throws(EnvelopeError) in
            try await envelope.unwrapDataKey(with: keys, recipients, followedBy: rows)
        }
    }

    private func wrap(
        _ dataKey: SharedSecret, _ binding: Binding, _ key: Int
    ) async throws(EnvelopeError) -> Recipient {
        try await patience.retrying { () throws(EnvelopeError) in
            do throws(KeyManagerError) {
                return try await keys.all[key].wrap(dataKey, for: binding)
            } catch {
                throw .keyManager(error)
            }
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
