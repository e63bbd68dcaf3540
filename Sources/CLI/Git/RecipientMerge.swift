import Envelope

/// Merges two edits of an envelope's recipients that have a common ancestor. A recipient that one side removed stays
/// removed, and one that either side added is added.
enum RecipientMerge {
    /// The data key of the merged envelope.
    enum DataKeySource: Equatable {
        /// Both sides have the same data key.
        case shared
        case ours
        case theirs
        /// The merged values are encrypted under a new data key.
        case new
    }

    enum Item: Equatable {
        /// The recipient is used as it is.
        case existing(Recipient)
        /// The data key has to be wrapped for this key.
        case wrap(keyID: String)
    }

    /// Returns the recipients of the merged envelope: those of our side in their order, then those that the other added.
    ///
    /// - Parameter base: The recipients of the common ancestor, which are empty if there is none.
    static func items(
        base: [Recipient], ours: [Recipient], theirs: [Recipient], dataKey: DataKeySource
    ) -> [Item] {
        let kept = ours.filter { recipient in
            theirs.contains(recipient.keyID) || !base.contains(recipient.keyID)
        }
        let added = theirs.filter { recipient in
            !ours.contains(recipient.keyID) && !base.contains(recipient.keyID)
        }
        return (kept + added).map { item($0.keyID, base, ours, theirs, dataKey) }
    }

    private static func item(
        _ keyID: String, _ base: [Recipient], _ ours: [Recipient], _ theirs: [Recipient],
        _ dataKey: DataKeySource
    ) -> Item {
        let (left, right) = (ours.first(keyID), theirs.first(keyID))
        let existing: Recipient? =
            switch dataKey {
            case .new: nil
            case .ours: left
            case .theirs: right
            case .shared: latest(base.first(keyID), left, right)
            }
        return existing.map { .existing($0) } ?? .wrap(keyID: keyID)
    }

    /// Returns the side that changed. If both did, returns the one with the newer version of the key.
    private static func latest(_ base: Recipient?, _ ours: Recipient?, _ theirs: Recipient?) -> Recipient? {
        guard let ours, let theirs else { return ours ?? theirs }
        if ours == base { return theirs }
        if theirs == base { return ours }
        guard let left = ours.keyVersion.flatMap({ Int($0) }),
            let right = theirs.keyVersion.flatMap({ Int($0) })
        else { return ours }
        return right > left ? theirs : ours
    }
}

extension [Recipient] {
    /// Returns the first recipient with this key id, compared by its bytes.
    func first(_ keyID: String) -> Recipient? { first { $0.keyID.utf8.elementsEqual(keyID.utf8) } }

    func contains(_ keyID: String) -> Bool { first(keyID) != nil }
}
