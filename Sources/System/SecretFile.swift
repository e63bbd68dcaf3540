package import Cryptography
import Glibc

/// Why a file could not be read, as errno says it.
package struct FileError: Error, Equatable, Sendable, CustomStringConvertible {
    package let path: String
    package let reason: String
    /// Whether it has more bytes than are read.
    package let isTooLarge: Bool

    package var description: String { "\(path): \(reason)" }

    package init(path: String, reason: String, isTooLarge: Bool = false) {
        self.path = path
        self.reason = reason
        self.isTooLarge = isTooLarge
    }
}

extension SecretBytes {
    /// Reads a whole file, or standard input for "-", without an unprotected copy.
    ///
    /// Errors: the file cannot be opened or read, or is larger than `limit` bytes.
    package init(contentsOfFile path: String, limit: Int) throws(FileError) {
        let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(path: path, reason: lastSystemError()) }
        defer { if descriptor != STDIN_FILENO { close(descriptor) } }
        if isatty(descriptor) == 1 { TerminalInput.callReadHandler() }
        var buffer = SecretBuffer(capacity: 16 * 1024)
        let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 * 1024, alignment: 1)
        defer { SecretMemory.release(chunk) }
        while true {
            let count = read(descriptor, chunk.baseAddress, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FileError(path: path, reason: lastSystemError()) }
            guard count > 0 else { break }
            buffer.append(UnsafeRawBufferPointer(rebasing: chunk[..<count]))
            guard buffer.count <= limit else {
                let size = limit.isMultiple(of: 1 << 20) ? "\(limit >> 20) MiB" : "\(limit) bytes"
                throw FileError(path: path, reason: "is larger than \(size)", isTooLarge: true)
            }
        }
        self = buffer.finish()
    }

    /// Without one trailing newline (`\n` or `\r\n`), which editors and `echo` leave behind.
    package borrowing func trimmingTrailingNewline() -> SecretBytes {
        withUnsafeBytes { bytes in
            var kept = bytes[...]
            if kept.last == UInt8(ascii: "\n") {
                kept = kept.dropLast()
                if kept.last == UInt8(ascii: "\r") { kept = kept.dropLast() }
            }
            return SecretBytes(copying: UnsafeRawBufferPointer(rebasing: kept))
        }
    }

    /// The parts between `separator`, empty ones left out.
    package borrowing func split(separator: UInt8) -> [SharedSecret] {
        withUnsafeBytes { bytes in
            bytes.split(separator: separator).map {
                SharedSecret(SecretBytes(copying: UnsafeRawBufferPointer(rebasing: $0)))
            }
        }
    }
}

/// errno in words.
package func lastSystemError() -> String { systemError(errno) }

func systemError(_ code: Int32) -> String { String(cString: strerror(code)) }
