import DequeModule

/// Keys that wait, by flows that take turns: a flow with thousands of keys keeps another's waiting for one turn each.
/// Within a flow the first to come is the first to go.
struct FairQueue<Key: Sendable>: Sendable {
    private var flows: [String: Deque<Key>] = [:]
    /// Flows that have keys, in the order of their turns.
    private var turns: Deque<String> = []

    mutating func append(_ key: Key, to flow: String) {
        if flows[flow] == nil { turns.append(flow) }
        flows[flow, default: []].append(key)
    }

    mutating func popFirst() -> Key? {
        guard let flow = turns.popFirst(), let key = flows[flow]?.popFirst() else { return nil }
        if flows[flow]?.isEmpty == true { flows[flow] = nil } else { turns.append(flow) }
        return key
    }

    mutating func removeAll() {
        flows = [:]
        turns = []
    }
}
