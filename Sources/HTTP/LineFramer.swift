import Glibc

/// Cuts a byte stream into lines at 0x0A and nowhere else: U+2028 and 0x0D are content. The terminator is
/// not part of the line; empty lines are lines.
package struct LineFramer {
    /// Bytes, without the terminator.
    private let maximumLength: Int
    private var partial: [UInt8] = []

    package init(maximumLength: Int) {
        self.maximumLength = maximumLength
    }

    /// The lines that `chunk` completes, in order.
    ///
    /// Errors: `.responseTooLarge` as soon as a line is longer than the limit; the framer is then of no
    /// further use.
    package mutating func append(_ chunk: [UInt8]) throws(HTTPError) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        var start = 0
        while let end = Self.newline(in: chunk, from: start) {
            try extend(by: chunk[start..<end])
            lines.append(partial)
            partial = []
            start = end + 1
        }
        try extend(by: chunk[start...])
        return lines
    }

    /// The last line, when the stream ended without a terminator after it.
    package mutating func finish() -> [UInt8]? {
        defer { partial = [] }
        return partial.isEmpty ? nil : partial
    }

    private mutating func extend(by bytes: ArraySlice<UInt8>) throws(HTTPError) {
        guard partial.count + bytes.count <= maximumLength else {
            throw HTTPError(
                .responseTooLarge, activity: "reading a streamed line",
                detail: "one line is longer than \(maximumLength) bytes")
        }
        partial.append(contentsOf: bytes)
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
