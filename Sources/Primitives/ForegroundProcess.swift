import Glibc

/// Runs a program that has the terminal to itself, as an editor does, and waits for it. What the terminal sends to
/// both (SIGINT, SIGQUIT) is the program's alone meanwhile.
package enum ForegroundProcess {
    /// The exit code, or 128 and the signal that ended it. `arguments`: the program, found on the PATH, first. It gets
    /// `inheritableEnvironment()`: our own settings are no business of it and of what it starts.
    ///
    /// Errors: errno, as it cannot be started.
    package static func run(_ arguments: [String]) throws(ChildProcess.Failure) -> Int32 {
        let pointers = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        let handlers = [SIGINT, SIGQUIT].map { ($0, signal($0, SIG_IGN)) }
        defer { for (number, handler) in handlers { signal(number, handler) } }
        let variables = CStrings(inheritableEnvironment().map { "\($0)=\($1)" })
        var child: pid_t = 0
        let code = posix_spawnp(
            &child, pointers[0] ?? strdup(""), nil, &attributes, pointers, variables.pointers)
        guard code == 0 else { throw .cannotStart(errno: code) }
        var state: Int32 = 0
        while waitpid(child, &state, 0) < 0 {
            guard errno == EINTR else { throw .cannotStart(errno: errno) }
        }
        let ended = state & 0x7F
        return ended == 0 ? state >> 8 & 0xFF : 128 + ended
    }
}
