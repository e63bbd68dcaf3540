import Glibc
import Synchronization
import Testing

@testable import System

/// The number of times that the handler of a test was called.
private let quits = Atomic<Int>(0)

struct TerminationSignalsTests {
    /// Ctrl-\ must not leave a temporary file with plaintext.
    @Test func aQuitWaitsForTheEndOfAWrite() {
        let previous = signal(SIGQUIT) { _ in quits.add(1, ordering: .sequentiallyConsistent) }
        defer { signal(SIGQUIT, previous) }
        let during = TerminationSignals.deferring {
            raise(SIGQUIT)
            return quits.load(ordering: .sequentiallyConsistent)
        }
        let received = (TerminationSignals.received, TerminationSignals.deferredSignal)
        TerminationSignals.forgetReceived()
        #expect(during == 0)
        #expect(received.0 == SIGQUIT)
        #expect(received.1 == SIGQUIT)
        #expect(quits.load(ordering: .sequentiallyConsistent) == 1)
    }
}
