@testable import Primitives

/// What memory of secrets looked like when it was given back, seen before it was freed.
struct ReleasedMemory: Equatable {
    let count: Int
    let isZero: Bool

    /// What `body` gave back, in order.
    static func during(_ body: () -> Void) -> [ReleasedMemory] {
        let seen = Locked<[ReleasedMemory]>([])
        SecretMemory.$onRelease.withValue(
            { memory in
                let release = ReleasedMemory(count: memory.count, isZero: memory.allSatisfy { $0 == 0 })
                seen.withLock { $0.append(release) }
            }, operation: body)
        return seen.withLock { $0 }
    }
}
