/// The number of items of each kind, kept as items change, so that an exposition need not visit the items.
package struct Tally<Kind: Hashable & Sendable>: Sendable, Equatable {
    /// The number of items of each kind that has any.
    package private(set) var counts: [Kind: Int] = [:]

    package init() {}

    /// Counts that an item of kind `before` became one of kind `after`. Nil stands for no item.
    package mutating func replace(_ before: Kind?, by after: Kind?) {
        guard before != after else { return }
        if let before, let count = counts[before] { counts[before] = count > 1 ? count - 1 : nil }
        if let after { counts[after, default: 0] += 1 }
    }
}

extension Sequence {
    /// Returns the elements with the highest counts, in order, and the sum of the other counts. The cost grows with the number
    /// of elements, and not with that of the counted items.
    ///
    /// - Parameter precedes: orders elements of equal count, so that each call returns the same ones.
    package func largestCounts<Kind>(
        _ limit: Int, _ precedes: (Kind, Kind) -> Bool
    ) -> (largest: [(kind: Kind, count: Int)], others: Int) where Element == (key: Kind, value: Int) {
        var largest: [(kind: Kind, count: Int)] = []
        var others = 0
        for (kind, count) in self {
            func isAfter(_ known: (kind: Kind, count: Int)) -> Bool {
                known.count != count ? known.count < count : !precedes(known.kind, kind)
            }
            if largest.count >= limit {
                guard let last = largest.last, isAfter(last) else {
                    others += count
                    continue
                }
                others += last.count
                largest.removeLast()
            }
            largest.insert((kind, count), at: largest.firstIndex(where: isAfter) ?? largest.endIndex)
        }
        return (largest, others)
    }
}
