import Glibc

/// Runs a program that has the terminal to itself, as an editor does, and waits for it. What is typed at the terminal and
/// sent to both (SIGINT, SIGQUIT) is the program's alone meanwhile. A signal that asks this process to end, which its
/// caller records (`TerminationSignals.record`), asks the program to end.
package enum ForegroundProcess {
    /// The exit code, or 128 and the signal that ended it. `arguments`: the program, found on the PATH, first. It gets
    /// `inheritableEnvironment()`: our own settings are no business of it and of what it starts.
    ///
    /// Errors: errno, as it cannot be started.
    package static func run(_ arguments: [String]) throws(ChildProcess.RunError) -> Int32 {
        let handler = signal(SIGQUIT, SIG_IGN)
        defer { signal(SIGQUIT, handler) }
        let attributes = SpawnAttributes(ownGroup: false)
        let strings = CStringArray(arguments)
        let variables = CStringArray(inheritableEnvironment().map { "\($0)=\($1)" })
        var child: pid_t = 0
        let code = posix_spawnp(
            &child, arguments.first ?? "", nil, attributes.pointer, strings.pointers, variables.pointers)
        guard code == 0 else { throw .cannotStart(errno: code) }
        TerminationSignals.startForwarding(to: child)
        // Its process id is its own until it is reaped: no signal goes to another program.
        var info = siginfo_t()
        while waitid(P_PID, UInt32(child), &info, WEXITED | WNOWAIT) < 0, errno == EINTR {}
        TerminationSignals.stopForwarding()
        var state: Int32 = 0
        while waitpid(child, &state, 0) < 0 {
            guard errno == EINTR else { throw .cannotStart(errno: errno) }
        }
        let ended = state & 0x7F
        return ended == 0 ? state >> 8 & 0xFF : 128 + ended
    }
}
