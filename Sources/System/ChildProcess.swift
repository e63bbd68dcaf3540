package import Cryptography
import Glibc

/// Runs a program and collects what it prints. It is always waited for, so that no zombie stays, on a thread
/// of its own, so that no thread of the task pool blocks.
package struct ChildProcess: Sendable {
    package struct Completion: Sendable {
        package let output: SharedSecret
        /// The exit code, or 128 and the signal that ended it, as shells have it.
        package let exitCode: Int32
    }

    package enum RunError: Error, Equatable {
        case cannotStart(errno: Int32)
        case deadlineExceeded
        case tooMuchOutput
    }

    /// A path.
    let executable: String
    /// Without the name of the program.
    let arguments: [String]
    let environment: [String: String]
    /// Whether it may ask the person at the terminal. Otherwise it reads nothing and leads a process group of
    /// its own, so that its children end with it.
    let isInteractive: Bool
    let outputLimit: Int
    let timeout: Duration

    package init(
        executable: String, arguments: [String], environment: [String: String], isInteractive: Bool,
        outputLimit: Int, deadline: Duration
    ) {
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
        self.isInteractive = isInteractive
        self.outputLimit = outputLimit
        self.timeout = deadline
    }

    /// Standard error goes where ours goes. Ends by the deadline, whether or not the task is cancelled.
    package func run() async throws(RunError) -> Completion {
        let result = await withCheckedContinuation { (continuation: CheckedContinuation<Outcome, Never>) in
            let code = startThread { continuation.resume(returning: outcome()) }
            if code != 0 { continuation.resume(returning: .failure(.cannotStart(errno: code))) }
        }
        return try result.get()
    }

    private typealias Outcome = Swift.Result<Completion, RunError>

    private func outcome() -> Outcome {
        do throws(RunError) {
            return .success(try runBlocking())
        } catch {
            return .failure(error)
        }
    }

    private func runBlocking() throws(RunError) -> Completion {
        let (child, output) = try startLock.withLock { _ throws(RunError) in
            let pipe = try makePipe()
            do throws(RunError) {
                return (try spawn(output: pipe.write), pipe.read)
            } catch {
                close(pipe.read)
                throw error
            }
        }
        defer { close(output) }
        _ = fcntl(output, F_SETFL, O_NONBLOCK)
        var reader = PipeReader(file: output, limit: outputLimit)
        let end = ContinuousClock.now + timeout
        while true {
            // Also looked at without output: a grandchild may hold the pipe open after the child is gone.
            var state: Int32 = 0
            let hasEnded = waitpid(child, &state, WNOHANG) == child
            do throws(RunError) {
                try reader.readAvailable()
            } catch {
                if !hasEnded { terminate(child) }
                throw error
            }
            if hasEnded {
                return Completion(output: SharedSecret(reader.finish()), exitCode: exitCode(state))
            }
            guard ContinuousClock.now < end else {
                terminate(child)
                throw .deadlineExceeded
            }
            reader.waitForData(milliseconds: 20)
        }
    }

    private func terminate(_ child: pid_t) {
        kill(isInteractive ? child : -child, SIGKILL)
        var state: Int32 = 0
        while waitpid(child, &state, 0) < 0, errno == EINTR {}
    }

    /// The macros of wait(2).
    private func exitCode(_ state: Int32) -> Int32 {
        let signal = state & 0x7F
        return signal == 0 ? state >> 8 & 0xFF : 128 + signal
    }

    private func makePipe() throws(RunError) -> (read: Int32, write: Int32) {
        var ends: (read: Int32, write: Int32) = (-1, -1)
        let code = withUnsafeMutableBytes(of: &ends) { raw in
            raw.withMemoryRebound(to: Int32.self) { $0.baseAddress.map { pipe($0) } ?? -1 }
        }
        guard code == 0 else { throw .cannotStart(errno: errno) }
        _ = fcntl(ends.read, F_SETFD, FD_CLOEXEC)
        _ = fcntl(ends.write, F_SETFD, FD_CLOEXEC)
        return ends
    }

    /// Closes `output` here.
    private func spawn(output: Int32) throws(RunError) -> pid_t {
        defer { close(output) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if !isInteractive { posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) }
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        let limit = Int32(clamping: sysconf(Int32(_SC_OPEN_MAX)))
        // Sockets and files are no business of a child, whether or not those who opened them said so. Closing
        // one that is not open is no error; those that other threads open meanwhile get the next free numbers.
        for file in 3..<max(3, min(highestOpenFile() + 64, limit)) {
            posix_spawn_file_actions_addclose(&actions, file)
        }
        let attributes = SpawnAttributes(ownGroup: !isInteractive)

        let arguments = CStringArray([executable] + self.arguments)
        let variables = CStringArray(environment.map { "\($0)=\($1)" })
        var child: pid_t = 0
        let code = posix_spawn(
            &child, executable, &actions, attributes.pointer, arguments.pointers, variables.pointers)
        guard code == 0 else { throw .cannotStart(errno: code) }
        return child
    }
}

/// pipe(2) marks its ends for closing in a second step; no other child may start in between.
private let startLock = Locked(())

private func highestOpenFile() -> Int32 {
    guard let folder = opendir("/proc/self/fd") else { return 1024 }
    defer { closedir(folder) }
    var highest: Int32 = 2
    while let entry = readdir(folder) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if let file = Int32(name) { highest = max(highest, file) }
    }
    return highest
}

/// A list of C strings as posix_spawn(3) wants it.
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
