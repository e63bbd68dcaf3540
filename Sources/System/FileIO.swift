package import Cryptography
import Glibc

/// Describes why a file cannot be read or written.
package struct FileError: Error, Equatable, Sendable, CustomStringConvertible {
    package let path: String
    package let reason: String
    /// True if the file exceeds the limit of its reader.
    package let isTooLarge: Bool

    package var description: String { "\(path): \(reason)" }

    package init(path: String, reason: String, isTooLarge: Bool = false) {
        self.path = path
        self.reason = reason
        self.isTooLarge = isTooLarge
    }

    /// Returns the error of the last system call on `path`, which errno describes.
    package static func lastSystemError(_ path: String) -> FileError {
        FileError(path: path, reason: systemError(errno))
    }
}

extension SecretBytes {
    /// Reads a whole file, or standard input for "-", into secret memory.
    ///
    /// - Throws: `FileError` if the file cannot be opened or read, or has more than `limit` bytes.
    package init(contentsOfFile path: String, limit: Int) throws(FileError) {
        let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .lastSystemError(path) }
        defer { if descriptor != STDIN_FILENO { close(descriptor) } }
        if isatty(descriptor) == 1 { TerminalInput.callReadHandler() }
        var buffer = SecretBuffer(capacity: 16 * 1024)
        let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 * 1024, alignment: 1)
        // Zeroes the memory, and deallocates it.
        defer { SecretMemory.release(chunk) }
        while true {
            let count = read(descriptor, chunk.baseAddress, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .lastSystemError(path) }
            guard count > 0 else { break }
            buffer.append(UnsafeRawBufferPointer(rebasing: chunk[..<count]))
            guard buffer.count <= limit else {
                let size = limit.isMultiple(of: 1 << 20) ? "\(limit >> 20) MiB" : "\(limit) bytes"
                throw FileError(path: path, reason: "is larger than \(size)", isTooLarge: true)
            }
        }
        self = buffer.finish()
    }

    /// Writes all bytes to a descriptor.
    ///
    /// - Parameter path: the path for the error.
    borrowing func write(to file: Int32, _ path: String) throws(FileError) {
        guard withUnsafeBytes({ writeAll($0, to: file) }) else { throw .lastSystemError(path) }
    }
}

/// Writes all of `bytes` to a descriptor, with as many calls of write(2) as that takes.
///
/// - Returns: false if not all bytes were written; errno is the reason.
package func writeAll(_ bytes: UnsafeRawBufferPointer, to file: Int32) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = Glibc.write(file, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return false }
        rest = rest.dropFirst(count)
    }
    return true
}

package func lastSystemError() -> String { systemError(errno) }

func systemError(_ code: Int32) -> String { String(cString: strerror(code)) }
