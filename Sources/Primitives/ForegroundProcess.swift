import Glibc

/// Runs a program that has the terminal to itself, as an editor does, and waits for it. What the terminal sends to
/// both (SIGINT, SIGQUIT) is the program's alone meanwhile.
package enum ForegroundProcess {
    /// The exit code, or 128 and the signal that ended it. `arguments`: the program, found on the PATH, first. It gets
    /// `inheritableEnvironment()`: our own settings are no business of it and of what it starts.
    ///
    /// Errors: errno, as it cannot be started.
    package static func run(_ arguments: [String]) throws(ChildProcess.Failure) -> Int32 {
        let handlers = [SIGINT, SIGQUIT].map { ($0, signal($0, SIG_IGN)) }
        defer { for (number, handler) in handlers { signal(number, handler) } }
        let attributes = SpawnAttributes(ownGroup: false)
        let strings = CStrings(arguments)
        let variables = CStrings(inheritableEnvironment().map { "\($0)=\($1)" })
        var child: pid_t = 0
        let code = posix_spawnp(
            &child, arguments.first ?? "", nil, attributes.pointer, strings.pointers, variables.pointers)
        guard code == 0 else { throw .cannotStart(errno: code) }
        var state: Int32 = 0
        while waitpid(child, &state, 0) < 0 {
            guard errno == EINTR else { throw .cannotStart(errno: errno) }
        }
        let ended = state & 0x7F
        return ended == 0 ? state >> 8 & 0xFF : 128 + ended
    }
}
