import System

/// Tasks that wait for one result. To be kept under a lock; what the methods return is resumed after it.
struct Waiters<Value: Sendable> {
    typealias Continuation = CheckedContinuation<Value, Never>

    private var waiting: [WaiterID: Continuation] = [:]

    mutating func add(_ continuation: Continuation, id: WaiterID) {
        waiting[id] = continuation
    }

    mutating func remove(_ id: WaiterID) -> Continuation? {
        waiting.removeValue(forKey: id)
    }

    mutating func takeAll() -> [Continuation] {
        defer { waiting = [:] }
        return Array(waiting.values)
    }
}

/// Of one waiter in this process, so that one that is cancelled leaves alone.
struct WaiterID: Hashable, Sendable {
    private static let last = Locked<UInt64>(0)

    private let number: UInt64

    init() {
        number = Self.last.withLock { last in
            last += 1
            return last
        }
    }
}

/// Waits for a value that somebody else brings.
///
/// - Parameters:
///   - join: resumes the continuation, or notes it for who will; is called once.
///   - leave: resumes the one that was noted under the id, if there is one, as its task was cancelled. May be called
///     at any time, from any thread, and twice.
func waiting<Value: Sendable>(
    join: (Waiters<Value>.Continuation, WaiterID) -> Void, leave: @escaping @Sendable (WaiterID) -> Void
) async -> Value {
    let id = WaiterID()
    return await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
            join(continuation, id)
            // The handler may have run before there was anybody to remove.
            if Task.isCancelled { leave(id) }
        }
    } onCancel: {
        leave(id)
    }
}
