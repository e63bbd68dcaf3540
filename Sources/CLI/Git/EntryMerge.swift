/// Merges two edits of a set of named entries that have a common ancestor, entry by entry. It only compares values, so
/// it works on values, digests and test data alike.
struct EntryMerge<Value> {
    /// An entry that both sides edited differently.
    struct Conflict: Equatable, Sendable {
        enum Kind: Sendable { case addedOnBothSides, changedOnBothSides, removedByOurs, removedByTheirs }

        let entry: String
        let kind: Kind
    }

    /// The entries of the result. Entries in conflict are missing.
    private(set) var merged: [String: Value] = [:]
    /// The conflicts in the order of the entries' names.
    private(set) var conflicts: [Conflict] = []

    /// - Parameter base: The entries of the common ancestor, which are empty if there is none.
    init(
        base: [String: Value], ours: [String: Value], theirs: [String: Value],
        isEqual: (Value, Value) -> Bool
    ) {
        func areEqual(_ left: Value?, _ right: Value?) -> Bool {
            switch (left, right) {
            case (nil, nil): true
            case (let left?, let right?): isEqual(left, right)
            default: false
            }
        }
        for name in Set(base.keys).union(ours.keys).union(theirs.keys).sorted() {
            let (old, left, right) = (base[name], ours[name], theirs[name])
            if areEqual(left, right) || areEqual(right, old) {
                merged[name] = left
            } else if areEqual(left, old) {
                merged[name] = right
            } else {
                conflicts.append(Conflict(entry: name, kind: Self.kind(old, left, right)))
            }
        }
    }

    private static func kind(_ old: Value?, _ ours: Value?, _ theirs: Value?) -> Conflict.Kind {
        if old == nil { return .addedOnBothSides }
        if ours == nil { return .removedByOurs }
        return theirs == nil ? .removedByTheirs : .changedOnBothSides
    }
}

extension EntryMerge.Conflict: CustomStringConvertible {
    /// The conflict without values.
    var description: String {
        switch kind {
        case .addedOnBothSides: "entry \(entry) was added on both sides with different values"
        case .changedOnBothSides: "entry \(entry) was changed on both sides"
        case .removedByOurs: "entry \(entry) was removed on our side and changed on theirs"
        case .removedByTheirs: "entry \(entry) was changed on our side and removed on theirs"
        }
    }
}
