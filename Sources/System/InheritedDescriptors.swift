import CLinux
import Glibc

/// The descriptors beyond standard error that this process was started with, such as those that a user's shell passes on purpose.
/// Programs that this process starts, or executes in its place, inherit them, and no socket and no file of its own: libraries
/// open some without O_CLOEXEC.
package enum InheritedDescriptors {
    private static let recorded = Locked<[Int32]>([])
    private static let first: Int32 = 3

    /// Records the open descriptors. It must be called early in main, before a file is opened.
    package static func record() {
        let open = openDescriptors()
        recorded.withLock { $0 = open }
    }

    /// Marks all other descriptors that are open, so that they are closed when a program is executed.
    package static func closeOthersOnExec() {
        var start = first
        for kept in recorded.withLock({ $0 }) {
            closeOnExec(from: start, upTo: kept)
            start = kept + 1
        }
        closeOnExec(from: start, upTo: .max)
    }

    /// Marks the descriptors from `start`, and below `end`.
    private static func closeOnExec(from start: Int32, upTo end: Int32) {
        guard start < end, sb_close_on_exec(UInt32(start), UInt32(end - 1)) != 0 else { return }
        // The kernel is older than Linux 5.11, or a sandbox denies the call.
        for file in openDescriptors() where (start..<end).contains(file) {
            _ = fcntl(file, F_SETFD, FD_CLOEXEC)
        }
    }

    /// Returns the open descriptors beyond standard error, in order.
    private static func openDescriptors() -> [Int32] {
        guard let folder = opendir("/proc/self/fd") else {
            return (first..<1024).filter { fcntl($0, F_GETFD) >= 0 }
        }
        defer { closedir(folder) }
        var found: [Int32] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let file = Int32(name), file >= first, file != dirfd(folder) { found.append(file) }
        }
        return found.sorted()
    }
}
