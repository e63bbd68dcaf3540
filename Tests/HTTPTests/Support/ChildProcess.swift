import Glibc
import System
import TestSupport

/// A child process of the tests, which is killed with its last reference.
final class ChildProcess: Sendable {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private let pid: pid_t

    /// Starts a program in `directory`. Its output is discarded.
    init(_ arguments: [String], in directory: String = "/") throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        // Swift's Glibc has no posix_spawn_file_actions_addchdir_np.
        let command = ["/bin/sh", "-c", #"cd "$0" && exec "$@""#, directory] + arguments
        var pointers = command.map { strdup($0) }
        defer { pointers.forEach { free($0) } }
        pointers.append(nil)
        var pid = pid_t()
        let result = posix_spawnp(&pid, command[0], &actions, nil, pointers, environ)
        guard result == 0 else {
            throw Failure(description: "\(arguments[0]): \(String(cString: strerror(result)))")
        }
        self.pid = pid
    }

    /// Runs a program to its end. Throws for every exit status but 0.
    static func run(_ arguments: String...) throws {
        let child = try ChildProcess(arguments)
        var status: Int32 = 0
        waitpid(child.pid, &status, 0)
        guard status == 0 else { throw Failure(description: "\(arguments) ended with status \(status)") }
    }

    var hasEnded: Bool { kill(pid, 0) != 0 || waitpid(pid, nil, WNOHANG) == pid }

    deinit {
        // A process that `run` or `hasEnded` has reaped is not there any more, and the call fails.
        if waitpid(pid, nil, WNOHANG) == 0 {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
    }

    static func isInstalled(_ program: String) -> Bool {
        path(of: program) != nil
    }

    static func path(of program: String) -> String? {
        let directories = (getenv("PATH").map { String(cString: $0) } ?? "").split(separator: ":").map(
            String.init)
        return (directories + ["/usr/sbin"]).map { "\($0)/\(program)" }.first { access($0, X_OK) == 0 }
    }
}
