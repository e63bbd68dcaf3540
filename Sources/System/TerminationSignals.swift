import CLinux
import Glibc
import Synchronization

/// The signals that ask a program to end: SIGINT, SIGTERM and SIGHUP. A command that has something to clean up records
/// them instead of ending at once, cleans up, and then exits with 128 and the signal's number, as a shell reports it.
package enum TerminationSignals {
    private static let all = [SIGINT, SIGTERM, SIGHUP]
    private static let first = Atomic<Int32>(0)
    /// The process id of the foreground program, 0 if none runs.
    private static let program = Atomic<pid_t>(0)
    /// What a program has, in seconds, to end after it was asked to.
    private static let patience: UInt32 = 5

    /// The first signal that arrived, or nil if none did.
    package static var received: Int32? {
        let number = first.load(ordering: .sequentiallyConsistent)
        return number == 0 ? nil : number
    }

    /// Records a signal that arrived in another way, for example as the key Ctrl-C.
    package static func recordReceived(_ number: Int32) {
        _ = first.compareExchange(expected: 0, desired: number, ordering: .sequentiallyConsistent)
    }

    /// Records these signals from now on. One that is ignored, as `nohup` and `&` arrange it, stays ignored.
    package static func startRecording() {
        // The first use of a global variable takes a lock, which a handler must not do.
        _ = (received, program.load(ordering: .sequentiallyConsistent), patience)
        for number in all { install(number) }
    }

    /// Runs `body` to its end although one of these signals arrives, which then takes effect.
    package static func deferring<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
        let isRecorded = received != nil
        let previous = all.map { number in
            var old = sigaction()
            sigaction(number, nil, &old)
            return old
        }
        startRecording()
        defer {
            for (number, old) in zip(all, previous) {
                var old = old
                sigaction(number, &old, nil)
            }
            if !isRecorded, let received { raise(received) }
        }
        return try body()
    }

    /// A foreground program gets every signal that this process gets. If it does not end then, it is killed.
    static func startForwarding(to child: pid_t) {
        program.store(child, ordering: .sequentiallyConsistent)
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in
            let child = TerminationSignals.program.load(ordering: .sequentiallyConsistent)
            if child != 0 { kill(child, SIGKILL) }
        }
        sigaction(SIGALRM, &action, nil)
        // It arrived while the program was started.
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
            // What is typed at the terminal goes to the foreground program too, which may have its own use for Ctrl-C.
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
        alarm(patience)
    }

    private static func isIgnored(_ action: sigaction) -> Bool {
        unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
            == unsafeBitCast(SIG_IGN, to: Int.self)
    }
}
