import Glibc

/// Splits a byte stream into lines at 0x0A only: U+2028 and 0x0D are content. The terminator is not part of a line, and
/// a line may be empty.
///
/// A line that is too long is not an error: its first bytes are returned when its end arrives, and the rest is dropped as
/// it arrives.
package struct LineFramer {
    package enum Line: Sendable, Equatable {
        case complete([UInt8])
        /// `prefix` has as many bytes as a complete line may have, and `length` counts all bytes of the line.
        case tooLong(prefix: [UInt8], length: Int)
    }

    private let maximumLength: Int
    private var partial: [UInt8] = []
    /// The number of bytes of the current line that were dropped.
    private var dropped = 0

    /// - Parameter maximumLength: in bytes, without the terminator.
    package init(maximumLength: Int) {
        self.maximumLength = maximumLength
    }

    /// Returns the lines that `chunk` completes, in order.
    package mutating func append(_ chunk: [UInt8]) -> [Line] {
        var lines: [Line] = []
        var start = 0
        while let end = Self.newline(in: chunk, from: start) {
            extend(by: chunk[start..<end])
            lines.append(take())
            start = end + 1
        }
        extend(by: chunk[start...])
        return lines
    }

    /// Returns the last line if the stream ended without a terminator.
    package mutating func finish() -> Line? {
        partial.isEmpty ? nil : take()
    }

    private mutating func take() -> Line {
        defer { (partial, dropped) = ([], 0) }
        return dropped == 0
            ? .complete(partial) : .tooLong(prefix: partial, length: partial.count + dropped)
    }

    private mutating func extend(by bytes: ArraySlice<UInt8>) {
        let kept = bytes.prefix(maximumLength - partial.count)
        partial.append(contentsOf: kept)
        dropped += bytes.count - kept.count
    }

    private static func newline(in chunk: [UInt8], from start: Int) -> Int? {
        chunk.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress, start < bytes.count,
                let found = memchr(base + start, 0x0A, bytes.count - start)
            else { return nil }
            return UnsafeRawPointer(found) - base
        }
    }
}
