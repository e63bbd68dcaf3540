import Glibc
import System

/// An event that a server's thread raises once and a test awaits.
final class Signal: Sendable {
    private let state = Locked<(isRaised: Bool, waiters: [CheckedContinuation<Void, Never>])>((false, []))

    func raise() {
        let waiters = state.withLock { state in
            defer { state = (true, []) }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    func wait() async throws {
        await withCheckedContinuation { waiter in
            let isRaised = state.withLock { state in
                if !state.isRaised { state.waiters.append(waiter) }
                return state.isRaised
            }
            if isRaised { waiter.resume() }
        }
    }
}

/// Blocks a server's thread.
func pause(milliseconds: UInt32) {
    usleep(milliseconds * 1_000)
}

func closeDescriptor(_ descriptor: Int32) {
    close(descriptor)
}
