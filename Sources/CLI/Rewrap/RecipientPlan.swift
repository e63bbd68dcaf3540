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
        /// It goes, after the recipient at the other place alone has opened the row.
        case supersede(Int, by: Int)
    }

    /// Errors: the row's recipients do not allow what is asked.
    static func steps(
        _ recipients: [Recipient], _ order: RewrapStrategy, _ keys: KeyRing
    ) throws(InputError) -> [Step] {
        switch order {
        case .refresh: return try refresh(recipients, keys)
        case .change(let added, let removed): return try change(recipients, added, removed, keys)
        case .move(let key): return try move(recipients, key, keys)
        }
    }

    /// Of each backend one recipient is left, of the key that wraps for it now. A row that lists none of ours is not
    /// current: nobody here can tell.
    private static func refresh(
        _ recipients: [Recipient], _ keys: KeyRing
    ) throws(InputError) -> [Step] {
        let own = try own(recipients, keys)
        let backends = keys.all.map { KeyManagerRequest.backend(ofKeyID: $0.keyID) }
        var steps: [Step] = []
        for (key, target) in keys.all.enumerated() where backends.firstIndex(of: backends[key]) == key {
            let places = own.filter { place in
                keys.keyManager(for: recipients[place]).map { KeyManagerRequest.backend(ofKeyID: $0.keyID) }
                    == backends[key]
            }
            guard let kept = places.first(where: { isOf(target, recipients[$0]) }) ?? places.first else {
                continue
            }
            if !isOf(target, recipients[kept]) {
                steps.append(
                    target.accepts(keyID: recipients[kept].keyID)
                        ? .refresh(kept, by: key) : .replace(kept, with: key))
            } else if recipients[kept].isVersioned {
                steps.append(.refresh(kept, by: key))
            }
            steps += places.filter { $0 != kept }.map { .supersede($0, by: kept) }
        }
        return steps
    }

    private static func change(
        _ recipients: [Recipient], _ added: [Int], _ removed: [KeySelector], _ keys: KeyRing
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
        let own = try own(recipients, keys)
        if let there = own.first(where: { isOf(target, recipients[$0]) }) {
            let removals = own.filter { $0 != there }.map { Step.supersede($0, by: there) }
            return (recipients[there].isVersioned ? [.refresh(there, by: key)] : []) + removals
        }
        return [.replace(own[0], with: key)] + own.dropFirst().map { .remove($0) }
    }

    /// The places of those that a configured key may open, one at least.
    private static func own(_ recipients: [Recipient], _ keys: KeyRing) throws(InputError) -> [Int] {
        let own = recipients.indices.filter { keys.keyManager(for: recipients[$0]) != nil }
        guard !own.isEmpty else {
            throw InputError(
                "none of its recipients (\(recipients.map { quoted($0.keyID) }.joined(separator: ", "))) is a "
                    + "configured key; configure the key that wrapped it as well")
        }
        return own
    }

    private static func isOf(_ key: any KeyManager, _ recipient: Recipient) -> Bool {
        key.keyID.utf8.elementsEqual(recipient.keyID.utf8)
    }
}
