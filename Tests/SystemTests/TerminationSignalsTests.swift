import Dispatch
import Glibc
import Synchronization
import Testing

@testable import System

/// The number of times that the handler of a test was called.
private let calls = Atomic<Int>(0)
private var callCount: Int { calls.load(ordering: .sequentiallyConsistent) }

/// Each test has a process of its own: other tests replace files, which defers the signals of their process.
struct TerminationSignalsTests {
    /// The exit code of a process that found what is expected.
    private static let passed: Int32 = 7

    /// The threads of libdispatch block signals, and `raise` signals the calling thread.
    private static func receiveSignals() {
        var signals = sigset_t()
        sigfillset(&signals)
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }

    /// Ctrl-\ must not leave a temporary file with plaintext.
    @Test func aQuitWaitsForTheEndOfAWrite() async {
        await #expect(processExitsWith: .exitCode(Self.passed)) {
            Self.receiveSignals()
            signal(SIGQUIT) { _ in calls.add(1, ordering: .sequentiallyConsistent) }
            let during = TerminationSignals.deferring {
                raise(SIGQUIT)
                return callCount
            }
            let isRecorded =
                TerminationSignals.received == SIGQUIT && TerminationSignals.deferredSignal == SIGQUIT
            exit(during == 0 && isRecorded && callCount == 1 ? Self.passed : 1)
        }
    }

    /// `rewrap` replaces files in several threads. The first to end must not restore the handlers under the others, nor the last
    /// one those that the first had installed.
    @Test func aSignalWaitsForTheLastOfSeveralThreads() async {
        await #expect(processExitsWith: .exitCode(Self.passed)) {
            Self.receiveSignals()
            signal(SIGTERM) { _ in calls.add(1, ordering: .sequentiallyConsistent) }
            let (hasBegun, mayEnd, hasEnded) = (
                DispatchSemaphore(value: 0), DispatchSemaphore(value: 0), DispatchSemaphore(value: 0)
            )
            let code = startThread {
                TerminationSignals.deferring {
                    hasBegun.signal()
                    mayEnd.wait()
                }
                hasEnded.signal()
            }
            hasBegun.wait()
            let during = TerminationSignals.deferring {
                mayEnd.signal()
                hasEnded.wait()
                raise(SIGTERM)
                return callCount
            }
            let after = callCount
            raise(SIGTERM)
            exit(code == 0 && during == 0 && after == 1 && callCount == 2 ? Self.passed : 1)
        }
    }
}
