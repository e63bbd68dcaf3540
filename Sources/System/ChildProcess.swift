import CLinux
package import Cryptography
import Glibc

/// Runs a program and collects its standard output. A thread of its own waits for the program, so that no zombie is left
/// and no thread of the task pool blocks.
package struct ChildProcess: Sendable {
    package struct Completion: Sendable {
        package let output: SharedSecret
        /// The standard error of the program, if it is captured: at most `errorLimit` bytes.
        package let errors: SharedSecret
        /// The exit code, or 128 plus the number of the signal that ended the program, as in shells.
        package let exitCode: Int32
    }

    package enum RunError: Error, Equatable {
        case cannotStart(errno: Int32)
        case deadlineExceeded
        case tooMuchOutput
    }

    /// The path of the program.
    let executable: String
    /// The arguments, without the name of the program.
    let arguments: [String]
    let environment: [String: String]
    /// True if the program may prompt at the terminal. Otherwise its standard input is empty, and it leads its own process
    /// group, so that its children are killed with it.
    let isInteractive: Bool
    /// The largest output, in bytes.
    let outputLimit: Int
    let timeout: Duration
    /// The contents of standard input. If it is nil, standard input is empty.
    let input: SharedSecret?
    /// Files in memory, which the program opens as `memoryFilePath(0)` and so on.
    let memoryFiles: [SharedSecret]
    /// The number of bytes of standard error to capture, or nil if the program inherits it.
    let errorLimit: Int?

    package init(
        executable: String, arguments: [String], environment: [String: String], isInteractive: Bool,
        outputLimit: Int, deadline timeout: Duration, input: SharedSecret? = nil,
        memoryFiles: [SharedSecret] = [], errorLimit: Int? = nil
    ) {
        self.errorLimit = errorLimit
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
        self.isInteractive = isInteractive
        self.outputLimit = outputLimit
        self.timeout = timeout
        self.input = input
        self.memoryFiles = memoryFiles
    }

    /// Returns the path under which the program opens one of `memoryFiles`.
    package static func memoryFilePath(_ index: Int) -> String { "/proc/self/fd/\(firstMemoryFile + index)" }

    private static let firstMemoryFile = 3

    /// Runs the program until it ends or the timeout has passed, also if the task is cancelled. The program inherits standard
    /// error unless it is captured.
    package func run() async throws(RunError) -> Completion {
        let result = await withCheckedContinuation { (continuation: CheckedContinuation<Outcome, Never>) in
            let code = startThread { continuation.resume(returning: outcome()) }
            if code != 0 { continuation.resume(returning: .failure(.cannotStart(errno: code))) }
        }
        return try result.get()
    }

    private typealias Outcome = Result<Completion, RunError>

    private func outcome() -> Outcome {
        do throws(RunError) {
            return .success(try runBlocking())
        } catch {
            return .failure(error)
        }
    }

    private func runBlocking() throws(RunError) -> Completion {
        let (child, output, errors) = try startLock.withLock { _ throws(RunError) in try start() }
        defer {
            close(output)
            if errors >= 0 { close(errors) }
        }
        _ = fcntl(output, F_SETFL, O_NONBLOCK)
        if errors >= 0 { _ = fcntl(errors, F_SETFL, O_NONBLOCK) }
        var reader = PipeReader(file: output, limit: outputLimit)
        var errorReader = PipeReader(file: errors, limit: errorLimit ?? 0)
        let end = ContinuousClock.now + timeout
        while true {
            // A grandchild may hold the pipe open after the child has ended, so the end of the output is not enough.
            var state: Int32 = 0
            let hasEnded = waitpid(child, &state, WNOHANG) == child
            do throws(RunError) {
                if errors >= 0 { errorReader.readAvailableUpToLimit() }
                try reader.readAvailable()
            } catch {
                if !hasEnded { terminate(child) }
                throw error
            }
            if hasEnded {
                return Completion(
                    output: SharedSecret(reader.finish()), errors: SharedSecret(errorReader.finish()),
                    exitCode: exitCode(state))
            }
            guard ContinuousClock.now < end else {
                terminate(child)
                throw .deadlineExceeded
            }
            reader.waitForData(milliseconds: 20)
        }
    }

    /// Starts the program, and returns its process id and the pipes to read from. Without captured errors, their pipe is -1.
    private func start() throws(RunError) -> (child: pid_t, output: Int32, errors: Int32) {
        let output = try makePipe()
        var errors: (read: Int32, write: Int32) = (-1, -1)
        do throws(RunError) {
            if errorLimit != nil { errors = try makePipe() }
        } catch {
            close(output.read)
            close(output.write)
            throw error
        }
        do throws(RunError) {
            return (try spawn(output: output.write, errors: errors.write), output.read, errors.read)
        } catch {
            close(output.read)
            if errors.read >= 0 { close(errors.read) }
            throw error
        }
    }

    private func terminate(_ child: pid_t) {
        kill(isInteractive ? child : -child, SIGKILL)
        var state: Int32 = 0
        while waitpid(child, &state, 0) < 0, errno == EINTR {}
    }

    /// The macros WIFSIGNALED, WEXITSTATUS and WTERMSIG of wait(2).
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

    /// Creates a file in memory, with a number that is that of no descriptor of the program.
    private static func makeMemoryFile(_ contents: SharedSecret) throws(RunError) -> Int32 {
        let file = sb_create_memory_file()
        guard file >= 0 else { throw .cannotStart(errno: errno) }
        defer { close(file) }
        let isWritten = contents.bytes.withUnsafeBytes { writeAll($0, to: file) }
        let descriptor = fcntl(file, F_DUPFD_CLOEXEC, 64)
        guard isWritten, descriptor >= 0, lseek(descriptor, 0, SEEK_SET) == 0 else {
            let code = errno
            if descriptor >= 0 { close(descriptor) }
            throw .cannotStart(errno: code)
        }
        return descriptor
    }

    /// Starts the program and closes the parent's copies of `output` and `errors`, which is -1 if it is inherited.
    private func spawn(output: Int32, errors: Int32) throws(RunError) -> pid_t {
        defer {
            close(output)
            if errors >= 0 { close(errors) }
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if !isInteractive { posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) }
        var opened: [Int32] = []
        defer { for file in opened { close(file) } }
        // Before the memory files, whose numbers these pipes may have.
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        if errors >= 0 { posix_spawn_file_actions_adddup2(&actions, errors, 2) }
        let numbers = (input == nil ? [] : [0]) + memoryFiles.indices.map { Self.firstMemoryFile + $0 }
        for (number, contents) in zip(numbers, [input].compactMap(\.self) + memoryFiles) {
            let descriptor = try Self.makeMemoryFile(contents)
            opened.append(descriptor)
            posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(number))
        }
        let limit = Int32(clamping: sysconf(Int32(_SC_OPEN_MAX)))
        // A child must not inherit sockets and files that were opened without O_CLOEXEC. Closing a descriptor that is not
        // open is not an error. Files that other threads open meanwhile get the next free numbers, hence the margin.
        let firstUnused = Int32(Self.firstMemoryFile + memoryFiles.count)
        for file in firstUnused..<max(firstUnused, min(highestOpenFile() + 64, limit)) {
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

/// The ends of a pipe get FD_CLOEXEC in a second step; no other child may start in between. The value has no meaning, but a size:
/// an empty one has the address of its object, whose header other threads read.
private let startLock = Locked(false)

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

/// Collects what is written to a pipe, up to a limit, in secret memory.
struct PipeReader: ~Copyable {
    private let file: Int32
    private let limit: Int
    private var collected = SecretBuffer()
    private let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 1)

    /// - Parameter file: the pipe, in non-blocking mode. The caller closes it.
    init(file: Int32, limit: Int) {
        self.file = file
        self.limit = limit
    }

    /// Reads the bytes that are available now.
    mutating func readAvailable() throws(ChildProcess.RunError) {
        while true {
            let count = read(file, chunk.baseAddress, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            collected.append(UnsafeRawBufferPointer(rebasing: chunk[..<count]))
            guard collected.count <= limit else { throw .tooMuchOutput }
        }
    }

    /// Reads the bytes that are available now, and discards those beyond the limit, so that the program is not blocked.
    ///
    /// Returns after one MiB at most, so that a program that writes without end does not outlast its deadline.
    mutating func readAvailableUpToLimit() {
        for _ in 0..<256 {
            let count = read(file, chunk.baseAddress, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            let kept = min(count, max(0, limit - collected.count))
            collected.append(UnsafeRawBufferPointer(rebasing: chunk[..<kept]))
        }
    }

    /// Waits until bytes can be read, all writers have closed the pipe, or the time has passed.
    func waitForData(milliseconds: Int32) {
        var entry = pollfd(fd: file, events: Int16(POLLIN), revents: 0)
        let ready = poll(&entry, 1, milliseconds)
        // Without writers poll(2) always returns at once, while the child may still be running.
        if ready > 0, Int32(entry.revents) & POLLIN == 0 { usleep(useconds_t(milliseconds) * 1000) }
    }

    mutating func finish() -> SecretBytes {
        var result = SecretBuffer()
        swap(&result, &collected)
        return result.finish()
    }

    deinit {
        if let start = chunk.baseAddress { explicit_bzero(start, chunk.count) }
        chunk.deallocate()
    }
}
