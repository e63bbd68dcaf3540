/// Tasks that wait for one result. To be kept under a lock; what the methods return is resumed after it.
///
/// Each waiter has an id of its own, so that one that is cancelled leaves alone.
struct Waiters<Value: Sendable> {
    typealias Continuation = CheckedContinuation<Value, Never>

    private var waiting: [UInt64: Continuation] = [:]

    mutating func add(_ continuation: Continuation, id: UInt64) {
        waiting[id] = continuation
    }

    mutating func remove(_ id: UInt64) -> Continuation? {
        waiting.removeValue(forKey: id)
    }

    mutating func takeAll() -> [Continuation] {
        defer { waiting = [:] }
        return Array(waiting.values)
    }
}
