import Cryptography
import Glibc

/// Collects what comes through a pipe, up to a limit, as a secret.
struct PipeReader: ~Copyable {
    private let file: Int32
    private let limit: Int
    private var collected = SecretBuffer()
    private let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 1)

    /// `file` does not block; the caller closes it.
    init(file: Int32, limit: Int) {
        self.file = file
        self.limit = limit
    }

    /// Returns when there is nothing more for now.
    mutating func readAvailable() throws(ChildProcess.RunError) {
        while true {
            let count = read(file, chunk.baseAddress, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            collected.append(UnsafeRawBufferPointer(rebasing: chunk[..<count]))
            guard collected.count <= limit else { throw .tooMuchOutput }
        }
    }

    /// Until there is something to read, the writers are gone, or the time is over.
    func waitForData(milliseconds: Int32) {
        var entry = pollfd(fd: file, events: Int16(POLLIN), revents: 0)
        let ready = poll(&entry, 1, milliseconds)
        // Without writers poll(2) returns at once, again and again, while the child may live on.
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
