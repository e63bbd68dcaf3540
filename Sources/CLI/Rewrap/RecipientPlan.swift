import Envelope

/// Plans how to change an envelope's recipients for a rewrap strategy. It only compares key ids and sends no request.
enum RecipientPlan {
    /// A step. Recipients are indices in the envelope, keys are indices in the key ring.
    enum Step: Equatable {
        /// The KMS rewraps the recipient without revealing the data key.
        case refresh(Int, by: Int)
        /// The recipient is replaced by one for the key `with`.
        case replace(Int, with: Int)
        case add(Int)
        case remove(Int)
        /// The first recipient is removed, after the recipient `by` has been verified to unwrap the data key.
        case supersede(Int, by: Int)
    }

    /// - Throws: `InputError` if the recipients do not allow the strategy.
    static func steps(
        _ recipients: [Recipient], _ strategy: RewrapStrategy, _ keys: KeyRing
    ) throws(InputError) -> [Step] {
        switch strategy {
        case .refresh: return try refresh(recipients, keys)
        case .change(let added, let removed): return try change(recipients, added, removed, keys)
        case .move(let key): return try move(recipients, key, keys)
        case .follow(let requirement): return try follow(recipients, requirement, keys)
        }
    }

    /// Keeps one recipient of each backend, wrapped by the first configured key of that backend, and one of each provider.
    /// Throws if no recipient has a configured key, because nothing then shows if the envelope is current.
    private static func refresh(
        _ recipients: [Recipient], _ keys: KeyRing
    ) throws(InputError) -> [Step] {
        try refresh(recipients, own: own(recipients, keys), keys)
    }

    /// - Parameter own: The indices of the recipients that may change.
    private static func refresh(_ recipients: [Recipient], own: [Int], _ keys: KeyRing) -> [Step] {
        var steps: [Step] = []
        for (key, target) in keys.all.enumerated() where keys.wrappingKeyIndex(for: key) == key {
            let candidates = own.filter { index in
                keys.keyIndex(for: recipients[index]).map(keys.wrappingKeyIndex) == key
            }
            guard
                let kept = candidates.first(where: { isRecipient(target, recipients[$0]) })
                    ?? candidates.first
            else {
                continue
            }
            if !isRecipient(target, recipients[kept]) {
                steps.append(
                    target.accepts(keyID: recipients[kept].keyID)
                        ? .refresh(kept, by: key) : .replace(kept, with: key))
            } else if recipients[kept].hasComparableVersion {
                steps.append(.refresh(kept, by: key))
            }
            steps += candidates.filter { $0 != kept }.map { .supersede($0, by: kept) }
        }
        return steps
    }

    /// Removes recipients that the rule does not allow, refreshes the others, and adds a recipient for each required key
    /// that is then missing. A missing key that is not configured stays missing.
    private static func follow(
        _ recipients: [Recipient], _ requirement: RecipientRequirement, _ keys: KeyRing
    ) throws(InputError) -> [Step] {
        let own = try own(recipients, keys)
        let unwanted = recipients.indices.filter { index in
            !requirement.allowsOthers && !requirement.lists(recipients[index].keyID)
        }
        // A previous key that the rule names is not replaced by the current one.
        let changeable = own.filter { index in
            let keyID = recipients[index].keyID
            let isNamed = requirement.keys.contains { !$0.isBackend && $0.matches(keyID: keyID) }
            let isCurrent = keys.keyIndex(for: recipients[index]).map(keys.wrappingKeyIndex).map {
                isRecipient(keys.all[$0], recipients[index])
            }
            return !unwanted.contains(index) && (!isNamed || isCurrent == true)
        }
        let refreshed = refresh(recipients, own: changeable, keys)
        var keyIDs: [String?] = recipients.map(\.keyID)
        for index in unwanted { keyIDs[index] = nil }
        for step in refreshed {
            switch step {
            case .replace(let index, let key): keyIDs[index] = keys.all[key].keyID
            case .supersede(let index, _): keyIDs[index] = nil
            case .refresh, .add, .remove: break
            }
        }
        let missing = requirement.missing(from: keyIDs.compactMap(\.self))
        let added = missing.compactMap { requirement.wrappingKey(for: $0, in: keys) }
        guard keyIDs.contains(where: { $0 != nil }) || !added.isEmpty else {
            throw InputError(
                "its rule allows none of its recipients, and no key that the rule lists "
                    + "(\(missing.map(\.description).joined(separator: ", "))) is configured; configure one of them"
            )
        }
        return refreshed + added.map { .add($0) } + unwanted.map { .remove($0) }
    }

    private static func change(
        _ recipients: [Recipient], _ added: [Int], _ removed: [KeySelector], _ keys: KeyRing
    ) throws(InputError) -> [Step] {
        let new = added.filter { key in !recipients.contains { isRecipient(keys.all[key], $0) } }
        let unwanted = recipients.indices.filter { index in
            removed.contains { $0.matches(recipients[index]) }
                && !added.contains { isRecipient(keys.all[$0], recipients[index]) }
        }
        guard recipients.count + new.count > unwanted.count else {
            throw InputError(
                "no recipient would be left; add another key first (--add-recipient)")
        }
        return new.map { .add($0) } + unwanted.map { .remove($0) }
    }

    private static func move(
        _ recipients: [Recipient], _ key: Int, _ keys: KeyRing
    ) throws(InputError) -> [Step] {
        let target = keys.all[key]
        let own = try own(recipients, keys)
        if let kept = own.first(where: { isRecipient(target, recipients[$0]) }) {
            let removals = own.filter { $0 != kept }.map { Step.supersede($0, by: kept) }
            return (recipients[kept].hasComparableVersion ? [.refresh(kept, by: key)] : []) + removals
        }
        // The data key is unwrapped for the replacement, so the others may go without a further proof that it can be.
        return [.replace(own[0], with: key)] + own.dropFirst().map { .remove($0) }
    }

    /// Returns the indices of the recipients whose key is configured. Throws if there is none.
    private static func own(_ recipients: [Recipient], _ keys: KeyRing) throws(InputError) -> [Int] {
        let own = recipients.indices.filter { keys.keyManager(for: recipients[$0]) != nil }
        guard !own.isEmpty else {
            throw InputError(
                "none of its recipients (\(recipients.map { quoted($0.keyID) }.joined(separator: ", "))) uses a "
                    + "configured key; configure one of these keys too")
        }
        return own
    }

    private static func isRecipient(_ key: any KeyManager, _ recipient: Recipient) -> Bool {
        // Swift's `==` for strings ignores differences of Unicode normalization.
        key.keyID.utf8.elementsEqual(recipient.keyID.utf8)
    }
}
