import Glibc
import Primitives

/// Standard output and standard error.
enum Console {
    /// Writes all of it or reports that it could not.
    static func write(_ bytes: borrowing SecretBytes) throws {
        try bytes.withUnsafeBytes { bytes in
            guard writeAll(bytes, to: STDOUT_FILENO) else {
                throw CommandError("cannot write the output: \(lastSystemError())")
            }
        }
    }

    static func error(_ message: String) {
        line("error: \(message)")
    }

    static func note(_ message: String) {
        line("note: \(message)")
    }

    private static func line(_ text: String) {
        Array((text + "\n").utf8).withUnsafeBytes { _ = writeAll($0, to: STDERR_FILENO) }
    }

    private static func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Glibc.write(
                descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
