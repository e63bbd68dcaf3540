import Cryptography
import System

/// The state of a secret's memory at its release, before it is freed.
package struct ReleasedMemory: Equatable {
    package let count: Int
    package let isZero: Bool

    package init(count: Int, isZero: Bool) {
        self.count = count
        self.isZero = isZero
    }

    /// Returns what `body` released, in order.
    package static func during(_ body: () -> Void) -> [ReleasedMemory] {
        let seen = Locked<[ReleasedMemory]>([])
        SecretMemory.$onRelease.withValue(
            { memory in
                let release = ReleasedMemory(count: memory.count, isZero: memory.allSatisfy { $0 == 0 })
                seen.withLock { $0.append(release) }
            }, operation: body)
        return seen.withLock { $0 }
    }
}
