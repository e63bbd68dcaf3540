import Glibc

/// Cuts a byte stream into lines at 0x0A and nowhere else: U+2028 and 0x0D are content. The terminator is
/// not part of the line; empty lines are lines.
///
/// A line that is too long ends nothing: its beginning is handed over when its end has come, and the rest is dropped as
/// it arrives.
package struct LineFramer {
    package enum Line: Sendable, Equatable {
        case complete([UInt8])
        /// The first bytes, as many as a whole line may have. `length`: of all of it.
        case tooLong(prefix: [UInt8], length: Int)
    }

    /// Bytes, without the terminator.
    private let maximumLength: Int
    private var partial: [UInt8] = []
    /// Bytes of this line that were dropped.
    private var dropped = 0

    package init(maximumLength: Int) {
        self.maximumLength = maximumLength
    }

    /// The lines that `chunk` completes, in order.
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

    /// The last line, when the stream ended without a terminator after it.
    package mutating func finish() -> Line? {
        partial.isEmpty ? nil : take()
    }

    private mutating func take() -> Line {
        defer { (partial, dropped) = ([], 0) }
        return dropped == 0 ? .complete(partial) : .tooLong(prefix: partial, length: partial.count + dropped)
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
