import Foundation
import System

@testable import KMS

extension ClientClock {
    /// A clock that advances only by sleeping, so that retries take no time.
    static func withoutWaiting() -> ClientClock {
        let start = ContinuousClock.now
        let elapsed = Locked(Duration.zero)
        return ClientClock(
            date: { Date(timeIntervalSince1970: 1_795_924_800) },
            now: { start + elapsed.withLock { $0 } },
            sleep: { duration in elapsed.withLock { $0 += max(duration, .milliseconds(1)) } })
    }
}
