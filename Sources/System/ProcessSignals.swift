import CLinux
import Glibc
import Synchronization

/// The signal mask and the ignored signals that this process was started with, such as SIGHUP under nohup(1). Programs that
/// this process starts, or executes in its place, start with them too: the threads of libdispatch block nearly all signals,
/// and neither Ctrl-C nor a pod's SIGTERM would reach a program that inherits their mask.
package struct InheritedSignals: Sendable {
    let blocked: sigset_t
    let ignored: [Int32]

    private static let recorded = Locked<InheritedSignals?>(nil)

    /// Records the current state. It must be called first in main, on the main thread.
    package static func record() {
        var blocked = sigset_t()
        pthread_sigmask(SIG_BLOCK, nil, &blocked)
        let current = InheritedSignals(blocked: blocked, ignored: numbers.filter { sb_is_ignored($0) != 0 })
        recorded.withLock { $0 = current }
    }

    /// The recorded state, or that no signal is blocked or ignored if none was recorded.
    static var atStart: InheritedSignals {
        recorded.withLock { recorded in
            if let recorded { return recorded }
            var none = sigset_t()
            sigemptyset(&none)
            return InheritedSignals(blocked: none, ignored: [])
        }
    }

    /// Restores the recorded state of the process and the calling thread before execve(2), which resets handlers but keeps
    /// the mask and the ignored signals.
    package static func restore() {
        let start = atStart
        for number in numbers {
            if start.ignored.contains(number) {
                signal(number, SIG_IGN)
            } else if sb_is_ignored(number) != 0 {
                signal(number, SIG_DFL)
            }
        }
        var blocked = start.blocked
        pthread_sigmask(SIG_SETMASK, &blocked, nil)
    }

    private static let numbers: ClosedRange<Int32> = 1...64
}

/// The signals that ask a program to end: SIGINT, SIGTERM and SIGHUP. A command that has to clean up records them instead of
/// ending at once, cleans up, and exits with 128 plus the signal's number, as a shell reports it.
package enum TerminationSignals {
    static let all = [SIGINT, SIGTERM, SIGHUP]
    private static let first = Atomic<Int32>(0)
    /// The process id of the foreground program, or 0 if none is running.
    private static let program = Atomic<pid_t>(0)
    /// The seconds between the signal to the foreground program and SIGKILL.
    private static let gracePeriod: UInt32 = 5

    /// The first signal that was received, or nil.
    package static var received: Int32? {
        let number = first.load(ordering: .sequentiallyConsistent)
        return number == 0 ? nil : number
    }

    /// Records a signal that was received in another way, for example as the key Ctrl-C.
    package static func recordReceived(_ number: Int32) {
        _ = first.compareExchange(expected: 0, desired: number, ordering: .sequentiallyConsistent)
    }

    /// Installs handlers that record these signals. An ignored signal (`nohup`, `&`) stays ignored.
    package static func startRecording() {
        // The first use of a global variable takes a lock, which a signal handler must not do.
        _ = (received, program.load(ordering: .sequentiallyConsistent), gracePeriod)
        for number in all { install(number) }
    }

    /// Forwards every termination signal to the foreground program, which is killed if it does not end.
    static func startForwarding(to child: pid_t) {
        program.store(child, ordering: .sequentiallyConsistent)
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in
            let child = TerminationSignals.program.load(ordering: .sequentiallyConsistent)
            if child != 0 { kill(child, SIGKILL) }
        }
        sigaction(SIGALRM, &action, nil)
        // A signal may have been received while the program was started.
        if let received { forward(received) }
    }

    static func stopForwarding() {
        program.store(0, ordering: .sequentiallyConsistent)
        alarm(0)
        signal(SIGALRM, SIG_DFL)
    }

    private static func install(_ number: Int32) {
        var old = sigaction()
        guard sigaction(number, nil, &old) == 0, !isIgnored(old) else { return }
        var action = sigaction()
        action.sa_flags = SA_SIGINFO
        action.__sigaction_handler.sa_sigaction = { number, info, _ in
            // The terminal sends Ctrl-C to the foreground program too, which may use the key for something else.
            let isTyped = (info?.pointee.si_code ?? 0) > 0
            let hasProgram = TerminationSignals.program.load(ordering: .sequentiallyConsistent) != 0
            if number == SIGINT, isTyped, hasProgram { return }
            TerminationSignals.recordReceived(number)
            TerminationSignals.forward(number)
        }
        sigaction(number, &action, nil)
    }

    private static func forward(_ number: Int32) {
        let child = program.load(ordering: .sequentiallyConsistent)
        guard child != 0 else { return }
        kill(child, number)
        alarm(gracePeriod)
    }

    private static func isIgnored(_ action: sigaction) -> Bool {
        unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
            == unsafeBitCast(SIG_IGN, to: Int.self)
    }
}
