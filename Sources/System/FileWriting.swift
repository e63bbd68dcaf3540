import Cryptography
import Glibc

/// Writes all of `bytes` to a descriptor, however often that takes (write(2)). False: errno says why not all of it is
/// written.
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

extension SecretBytes {
    /// Writes all of it to a descriptor.
    ///
    /// - Parameter path: of the file, for the error.
    borrowing func write(to file: Int32, _ path: String) throws(FileError) {
        guard withUnsafeBytes({ writeAll($0, to: file) }) else {
            throw FileError(path: path, reason: lastSystemError())
        }
    }
}
