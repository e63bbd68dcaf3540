import HeapModule
import Resources

/// The providers of one namespace that use one ClusterKeyProvider and wait for a test, in the order of their times. The limits
/// for tests in flight apply to all of them or to none, so that only the first one has to be looked at.
struct ProviderTestFlow: Sendable {
    typealias Instant = ContinuousClock.Instant

    struct Entry: Comparable, Sendable {
        let dueAt: Instant
        /// A number that no other entry has.
        let order: UInt64
        let provider: ProviderRef

        static func == (left: Self, right: Self) -> Bool { left.order == right.order }
        static func < (left: Self, right: Self) -> Bool {
            (left.dueAt, left.order) < (right.dueAt, right.order)
        }
    }

    /// May contain invalid entries, but never as the first one.
    private var heap = Heap<Entry>()
    /// The `order` of the valid entry of each provider.
    private var orders: [ProviderRef: UInt64] = [:]
    private static let toleratedEntries = 64

    var first: Entry? { heap.min }

    var isEmpty: Bool { orders.isEmpty }

    /// The number of remembered entries, of which some may be invalid.
    var entryCount: Int { heap.count }

    /// Adds an entry, which replaces an earlier one of its provider.
    mutating func insert(_ entry: Entry) {
        orders[entry.provider] = entry.order
        heap.insert(entry)
        dropInvalidEntries()
    }

    mutating func remove(_ provider: ProviderRef) {
        orders[provider] = nil
        dropInvalidEntries()
    }

    /// Drops the invalid entries at the front, and all of them once they are more than the valid ones: a provider that is
    /// edited all the while would pile them up behind one that waits for long.
    private mutating func dropInvalidEntries() {
        while let first = heap.min, orders[first.provider] != first.order { heap.removeMin() }
        guard heap.count > 2 * orders.count + Self.toleratedEntries else { return }
        heap = Heap(heap.unordered.filter { orders[$0.provider] == $0.order })
    }
}
