import CLinux
import Glibc

/// Attributes of a new process (posix_spawn(3)): it blocks and ignores the signals that this process did when it
/// started (`InheritedSignals`), not those that this thread blocks or this process ignores now.
struct SpawnAttributes: ~Copyable {
    let pointer = UnsafeMutablePointer<posix_spawnattr_t>.allocate(capacity: 1)

    /// - Parameter ownGroup: whether it leads its own process group, so that it does not receive the terminal's
    ///   signals.
    init(ownGroup: Bool) {
        let signals = InheritedSignals.atStart
        posix_spawnattr_init(pointer)
        var blocked = signals.blocked
        posix_spawnattr_setsigmask(pointer, &blocked)
        var reset = sigset_t()
        sigfillset(&reset)
        for number in signals.ignored { sigdelset(&reset, number) }
        posix_spawnattr_setsigdefault(pointer, &reset)
        // 0 stands for the id of the new process. It has an effect only with POSIX_SPAWN_SETPGROUP.
        posix_spawnattr_setpgroup(pointer, 0)
        let flags =
            POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (ownGroup ? POSIX_SPAWN_SETPGROUP : 0)
        posix_spawnattr_setflags(pointer, Int16(flags))
    }

    deinit {
        posix_spawnattr_destroy(pointer)
        pointer.deallocate()
    }
}

/// A null-terminated array of C strings, as posix_spawn(3) takes it.
struct CStringArray: ~Copyable {
    let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    init(_ strings: [String]) {
        count = strings.count
        pointers = .allocate(capacity: count + 1)
        for (index, string) in strings.enumerated() { pointers[index] = strdup(string) }
        pointers[count] = nil
    }

    deinit {
        for index in 0..<count { free(pointers[index]) }
        pointers.deallocate()
    }
}

/// Runs a program that uses the terminal, such as an editor, and waits for it. Meanwhile this process ignores SIGQUIT.
/// If it records termination signals (`TerminationSignals.startRecording`), it forwards them to the program, except a
/// SIGINT of the terminal (Ctrl-C), which the terminal sends to both.
package enum ForegroundProcess {
    /// Runs the program with `inheritableEnvironment()` and `InheritedDescriptors`.
    ///
    /// - Parameter arguments: the program, which is searched for in the PATH, and its arguments.
    /// - Returns: the exit code, or 128 plus the number of the signal that ended the program.
    /// - Throws: `cannotStart`.
    package static func run(_ arguments: [String]) throws(ChildProcess.RunError) -> Int32 {
        let handler = signal(SIGQUIT, SIG_IGN)
        defer { signal(SIGQUIT, handler) }
        let attributes = SpawnAttributes(ownGroup: false)
        let strings = CStringArray(arguments)
        let variables = CStringArray(inheritableEnvironment().map { "\($0)=\($1)" })
        var child: pid_t = 0
        InheritedDescriptors.closeOthersOnExec()
        let code = posix_spawnp(
            &child, arguments.first ?? "", nil, attributes.pointer, strings.pointers, variables.pointers)
        guard code == 0 else { throw .cannotStart(errno: code) }
        TerminationSignals.startForwarding(to: child)
        // WNOWAIT: until the child is reaped, its process id is not reused, and no signal reaches another process.
        var info = siginfo_t()
        while waitid(P_PID, UInt32(child), &info, WEXITED | WNOWAIT) < 0, errno == EINTR {}
        TerminationSignals.stopForwarding()
        var state: Int32 = 0
        while waitpid(child, &state, 0) < 0 {
            guard errno == EINTR else { throw .cannotStart(errno: errno) }
        }
        // WTERMSIG and WEXITSTATUS of wait(2), which are macros that Swift cannot call.
        let ended = state & 0x7F
        return ended == 0 ? state >> 8 & 0xFF : 128 + ended
    }
}

/// Finds programs as execvp(3) does, but in a given PATH.
package enum ProgramSearch {
    package enum SearchError: Error, Equatable {
        case notFound
        /// A file of that name cannot be executed, for the given reason.
        case notExecutable(String)
    }

    /// Returns the path of a program. It contains a slash.
    ///
    /// - Parameter path: folders separated by colons, or nil for the system's default.
    package static func path(of program: String, in path: String?) throws(SearchError) -> String {
        guard !program.isEmpty else { throw .notFound }
        let folders = (path ?? "/usr/local/bin:/usr/bin:/bin").split(
            separator: ":", omittingEmptySubsequences: false)
        // An empty entry is the current folder.
        let candidates =
            program.contains("/")
            ? [program] : folders.map { $0.isEmpty ? "./\(program)" : "\($0)/\(program)" }
        var reason: String?
        for candidate in candidates {
            var info = stat()
            guard stat(candidate, &info) == 0 else {
                if errno == EACCES { reason = lastSystemError() }
                continue
            }
            guard info.st_mode & S_IFMT == S_IFREG else {
                // The search continues after a folder of that name.
                reason = reason ?? "it is not a file"
                continue
            }
            if access(candidate, X_OK) == 0 { return candidate }
            reason = lastSystemError()
        }
        throw reason.map { .notExecutable($0) } ?? .notFound
    }
}
