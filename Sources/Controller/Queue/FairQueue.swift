import DequeModule

/// A queue in which flows take turns, so that a flow with thousands of keys delays the keys of another flow by one turn
/// each. Within a flow the order is FIFO.
struct FairQueue<Key: Sendable>: Sendable {
    private var flows: [String: Deque<Key>] = [:]
    /// The flows that have keys, in the order of their turns.
    private var turns: Deque<String> = []
    private(set) var count = 0

    func count(of flow: String) -> Int { flows[flow]?.count ?? 0 }

    /// The flow with the most keys, found by looking at each flow.
    var longestFlow: String? { flows.max { $0.value.count < $1.value.count }?.key }

    mutating func append(_ key: Key, to flow: String) {
        if flows[flow] == nil { turns.append(flow) }
        flows[flow, default: []].append(key)
        count += 1
    }

    /// Removes the key of a flow that was appended last.
    mutating func popLast(of flow: String) -> Key? {
        guard let key = flows[flow]?.popLast() else { return nil }
        count -= 1
        if flows[flow]?.isEmpty == true {
            flows[flow] = nil
            turns.removeAll { $0 == flow }
        }
        return key
    }

    mutating func popFirst() -> Key? { popFirst { _ in true } }

    /// Returns the key that `popFirst` would remove. The invalid ones before it are dropped.
    mutating func first(where isValid: (Key) -> Bool) -> Key? {
        while let flow = turns.first {
            while let key = flows[flow]?.first {
                if isValid(key) { return key }
                flows[flow]?.removeFirst()
                count -= 1
            }
            flows[flow] = nil
            turns.removeFirst()
        }
        return nil
    }

    /// Removes the next valid key. The invalid ones before it are dropped and take no turn from their flow.
    mutating func popFirst(where isValid: (Key) -> Bool) -> Key? {
        while let flow = turns.popFirst() {
            while let key = flows[flow]?.popFirst() {
                count -= 1
                guard isValid(key) else { continue }
                if flows[flow]?.isEmpty == true { flows[flow] = nil } else { turns.append(flow) }
                return key
            }
            flows[flow] = nil
        }
        return nil
    }
}
