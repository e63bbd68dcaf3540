import Dispatch
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import System

/// The number of times that the handler of a test was called.
private let calls = Atomic<Int>(0)
private var callCount: Int { calls.load(ordering: .sequentiallyConsistent) }

/// Each test has a process of its own: other tests replace files, which defers the signals of their process.
struct TerminationSignalsTests {
    /// The exit code of a process that found what is expected.
    private static let passed: Int32 = 7
    /// The output of a body that a signal does not end.
    private static let completed = "completed"

    private static func setMask(_ change: Int32) {
        var signals = sigset_t()
        sigfillset(&signals)
        pthread_sigmask(change, &signals, nil)
    }

    /// The main thread of a command receives signals, and other threads may block them.
    private static func receiveSignals() { setMask(SIG_UNBLOCK) }

    private static func complete() { write(STDOUT_FILENO, completed, completed.utf8.count) }

    private static func output(_ result: ExitTest.Result?) -> String {
        String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
    }

    /// Ctrl-\ must not leave a temporary file with plaintext.
    @Test func aQuitWaitsForTheEndOfAWrite() async {
        let result = await #expect(
            processExitsWith: .signal(SIGQUIT), observing: [\.standardOutputContent]
        ) {
            Self.receiveSignals()
            signal(SIGQUIT, SIG_DFL)
            TerminationSignals.deferring {
                raise(SIGQUIT)
                usleep(20_000)
                if TerminationSignals.received == SIGQUIT { Self.complete() }
            }
            sleep(60)
        }
        #expect(Self.output(result).contains(Self.completed))
    }

    /// `rewrap` replaces files in several threads. The first to end must not restore the actions under the others.
    @Test func aSignalWaitsForTheLastOfSeveralThreads() async {
        let result = await #expect(
            processExitsWith: .signal(SIGTERM), observing: [\.standardOutputContent]
        ) {
            Self.receiveSignals()
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
            TerminationSignals.deferring {
                mayEnd.signal()
                hasEnded.wait()
                raise(SIGTERM)
                usleep(20_000)
                if code == 0 { Self.complete() }
            }
            sleep(60)
        }
        #expect(Self.output(result).contains(Self.completed))
    }

    /// The threads of libdispatch and of `startServiceThread` block signals.
    @Test func aSignalTakesEffectAfterAThreadThatBlocksIt() async {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            Self.receiveSignals()
            _ = startThread {
                Self.setMask(SIG_BLOCK)
                TerminationSignals.deferring {
                    kill(getpid(), SIGTERM)
                    usleep(50_000)
                }
            }
            sleep(60)
            exit(1)
        }
    }

    @Test func threadsThatFollowEachOtherDoNotDeferASignalForEver() async {
        await #expect(processExitsWith: .signal(SIGHUP)) {
            Self.receiveSignals()
            signal(SIGHUP, SIG_DFL)
            for _ in 0..<8 {
                _ = startThread { while true { TerminationSignals.deferring { _ = usleep(2000) } } }
            }
            usleep(50_000)
            kill(getpid(), SIGHUP)
            sleep(30)
            exit(1)
        }
    }

    @Test func aSecondSignalTakesEffectAfterOneThatWasRecorded() async {
        await #expect(processExitsWith: .signal(SIGHUP)) {
            Self.receiveSignals()
            signal(SIGHUP, SIG_DFL)
            TerminationSignals.recordReceived(SIGINT)
            TerminationSignals.deferring { _ = raise(SIGHUP) }
            sleep(60)
            exit(1)
        }
    }

    /// A prompt restores the terminal, and reports the signal.
    @Test func aSignalThatTheBodyReportsDoesNotEndTheProcess() async {
        await #expect(processExitsWith: .exitCode(Self.passed)) {
            Self.receiveSignals()
            TerminationSignals.deferring {
                raise(SIGTERM)
                TerminationSignals.takePending()
            }
            exit(TerminationSignals.received == SIGTERM ? Self.passed : 1)
        }
    }

    /// The work is cancelled while files are written, and not after the last.
    @Test func libdispatchReceivesASignalDuringAWrite() async {
        await #expect(processExitsWith: .exitCode(Self.passed)) {
            Self.receiveSignals()
            let received = DispatchSemaphore(value: 0)
            let source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
            let isActive = DispatchSemaphore(value: 0)
            source.setRegistrationHandler { isActive.signal() }
            source.setEventHandler { received.signal() }
            source.activate()
            isActive.wait()
            let result = TerminationSignals.deferring {
                kill(getpid(), SIGINT)
                return received.wait(timeout: .now() + 10)
            }
            source.cancel()
            exit(result == .success ? Self.passed : 1)
        }
    }

    @Test func keepsAHandlerThatWasInstalledMeanwhile() async {
        await #expect(processExitsWith: .exitCode(Self.passed)) {
            Self.receiveSignals()
            TerminationSignals.deferring {
                _ = signal(SIGTERM) { _ in calls.add(1, ordering: .sequentiallyConsistent) }
            }
            raise(SIGTERM)
            exit(callCount == 1 ? Self.passed : 1)
        }
    }

    /// A function of its own, so that its folder is removed before the process ends.
    private static func lockOfAFileThatAnotherThreadReleases() throws -> Int32 {
        let folder = try TemporaryFolder()
        let path = try folder.write("a.yaml", "old")
        TerminationSignals.recordReceived(SIGINT)
        let file = open(path, O_RDONLY)
        flock(file, LOCK_EX)
        _ = startThread {
            usleep(100_000)
            close(file)
        }
        return try withExtendedLifetime(folder) {
            try FileLock.withLock(ofFile: path, named: path) { () throws(FileError) in Self.passed }
        }
    }

    /// Of the threads of `rewrap`, those that wait for each other must still write their files.
    @Test func aSignalLeavesTimeForAHolderOfALock() async {
        await #expect(processExitsWith: .exitCode(Self.passed)) {
            exit(try Self.lockOfAFileThatAnotherThreadReleases())
        }
    }
}
