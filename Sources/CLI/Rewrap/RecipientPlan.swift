import Envelope

/// What is to be done with the recipients of one row. Pure: decided on ids alone, before any call.
enum RecipientPlan {
    /// Recipients by their place in the row, keys by theirs in the ring.
    enum Step: Equatable {
        /// The KMS wraps it anew, without showing the data key.
        case refresh(Int, by: Int)
        /// Another key's recipient goes where this one was.
        case replace(Int, with: Int)
        case add(Int)
        case remove(Int)
    }

    /// Errors: the row's recipients do not allow what is asked.
    static func steps(
        _ recipients: [Recipient], _ order: RewrapOrder, _ keys: KeyRing
    ) throws(InputError) -> [Step] {
        switch order {
        case .refresh: return refresh(recipients, keys)
        case .change(let added, let removed): return try change(recipients, added, removed, keys)
        case .move(let key): return try move(recipients, key, keys)
        }
    }

    private static func refresh(_ recipients: [Recipient], _ keys: KeyRing) -> [Step] {
        recipients.indices.compactMap { index in
            let recipient = recipients[index]
            guard let own = keys.manager(for: recipient),
                let key = keys.all.firstIndex(where: {
                    KeyManagerRequest.backend(ofKeyID: $0.keyID)
                        == KeyManagerRequest.backend(ofKeyID: own.keyID)
                })
            else { return nil }
            let target = keys.all[key]
            if isOf(target, recipient) { return recipient.version == nil ? nil : .refresh(index, by: key) }
            guard !recipients.contains(where: { isOf(target, $0) }) else { return nil }
            return target.accepts(keyID: recipient.keyID)
                ? .refresh(index, by: key) : .replace(index, with: key)
        }
    }

    private static func change(
        _ recipients: [Recipient], _ added: [Int], _ removed: [KeyName], _ keys: KeyRing
    ) throws(InputError) -> [Step] {
        let new = added.filter { key in !recipients.contains { isOf(keys.all[key], $0) } }
        let gone = recipients.indices.filter { index in
            removed.contains { $0.matches(recipients[index]) }
                && !added.contains { isOf(keys.all[$0], recipients[index]) }
        }
        guard recipients.count + new.count > gone.count else {
            throw InputError(
                "no recipient would be left; add the key that is to open it first (--add-recipient)")
        }
        return new.map { .add($0) } + gone.map { .remove($0) }
    }

    private static func move(
        _ recipients: [Recipient], _ key: Int, _ keys: KeyRing
    ) throws(InputError) -> [Step] {
        let target = keys.all[key]
        let own = recipients.indices.filter { keys.manager(for: recipients[$0]) != nil }
        if let there = own.first(where: { isOf(target, recipients[$0]) }) {
            let removals = own.filter { $0 != there }.map { Step.remove($0) }
            return (recipients[there].version == nil ? [] : [.refresh(there, by: key)]) + removals
        }
        guard let first = own.first else {
            throw InputError(
                "none of its recipients (\(recipients.map { shown($0.keyID) }.joined(separator: ", "))) is a "
                    + "configured key; configure the key that wrapped it as well")
        }
        return [.replace(first, with: key)] + own.dropFirst().map { .remove($0) }
    }

    private static func isOf(_ key: any KeyManager, _ recipient: Recipient) -> Bool {
        key.keyID.utf8.elementsEqual(recipient.keyID.utf8)
    }
}
