/// The lines of a text, and two things that libyaml does not handle: byte order marks at the start of documents after the
/// first, as in joined files, and large numbers of directives, each of which it compares with all others. The lines end at line
/// feeds, as in other programs; directives are on the lines of libyaml.
struct LineIndex {
    /// The offset of the first byte of each line, after its byte order mark.
    private(set) var starts: [UInt32] = []
    /// The offsets of the byte order marks that start a document.
    private(set) var byteOrderMarks: [Int] = []
    /// The offset of the first directive above a limit, and the problem.
    private(set) var excessiveDirective: (offset: Int, problem: String)?

    static let maximumTagDirectives = 64
    /// The prefix of a directive is copied to each tag.
    static let maximumTagDirectiveBytes = 256

    /// True if only blank lines, comments and directives of the document have been read.
    private var isBeforeContent = true
    private var tagDirectives = 0

    /// - Parameter count: the expected number of lines, for which memory is reserved.
    init(_ text: UnsafeRawBufferPointer, count: Int) {
        starts.reserveCapacity(count)
        var offset = 0
        while true {
            let end = text[offset...].firstIndex(of: lineFeed) ?? text.count
            let start = startAfterMark(offset, text[offset..<end])
            starts.append(UInt32(truncatingIfNeeded: start))
            scanLines(start..<end, of: text)
            guard end < text.count else { return }
            offset = end + 1
        }
    }

    /// Returns the offset of the line, after a byte order mark that starts a document, which it records.
    private mutating func startAfterMark(_ offset: Int, _ line: Slice<UnsafeRawBufferPointer>) -> Int {
        guard line.starts(with: SourceText.byteOrderMark) else { return offset }
        let rest = line.dropFirst(SourceText.byteOrderMark.count)
        guard isBeforeContent || Self.isMarker(rest, UInt8(ascii: "-")) else { return offset }
        byteOrderMarks.append(offset)
        return rest.startIndex
    }

    /// Scans the lines into which libyaml splits a line: it also ends lines at CR, NEL, LS and PS.
    private mutating func scanLines(_ line: Range<Int>, of text: UnsafeRawBufferPointer) {
        var start = line.lowerBound
        for offset in line
        where text[offset] == carriageReturn || text[offset] == 0xC2 || text[offset] == 0xE2 {
            let length = LineBreaks.length(at: offset, in: text)
            // The line feed after a carriage return belongs to the break, and not to the line.
            guard length > 0, offset + length <= line.upperBound else { continue }
            scan(text[start..<offset])
            start = offset + length
        }
        scan(text[start..<line.upperBound])
    }

    /// Updates the state of the current document, and records the first directive above a limit.
    private mutating func scan(_ line: Slice<UnsafeRawBufferPointer>) {
        if Self.isMarker(line, UInt8(ascii: "-")) || Self.isMarker(line, UInt8(ascii: ".")) {
            isBeforeContent = Self.isBlankOrComment(line.dropFirst(3))
            tagDirectives = 0
        } else if line.first == UInt8(ascii: "%") {
            guard line.starts(with: "%TAG".utf8) else { return }
            tagDirectives += 1
            guard excessiveDirective == nil else { return }
            if tagDirectives > Self.maximumTagDirectives {
                excessiveDirective = (
                    line.startIndex, "a document has more than \(Self.maximumTagDirectives) %TAG directives"
                )
            } else if line.count > Self.maximumTagDirectiveBytes {
                excessiveDirective = (
                    line.startIndex, "a %TAG directive has more than \(Self.maximumTagDirectiveBytes) bytes"
                )
            }
        } else if isBeforeContent {
            isBeforeContent = Self.isBlankOrComment(line)
        }
    }

    /// Returns whether the line starts with `---` or `...` and then has a blank or ends.
    private static func isMarker(_ line: Slice<UnsafeRawBufferPointer>, _ character: UInt8) -> Bool {
        guard line.prefix(3).count(where: { $0 == character }) == 3 else { return false }
        return line.dropFirst(3).first.map(isBlank) ?? true
    }

    private static func isBlankOrComment(_ line: Slice<UnsafeRawBufferPointer>) -> Bool {
        line.first { !isBlank($0) }.map { $0 == UInt8(ascii: "#") } ?? true
    }

    private static func isBlank(_ byte: UInt8) -> Bool {
        byte == space || byte == tab || byte == carriageReturn
    }
}

/// The line breaks of YAML 1.1 (5.4) that libyaml recognises: LF, CR, CR LF, NEL, LS and PS.
enum LineBreaks {
    /// Returns the length of the line break at `offset`, or 0.
    static func length(at offset: Int, in bytes: UnsafeRawBufferPointer) -> Int {
        func byte(_ distance: Int) -> UInt8 { offset + distance < bytes.count ? bytes[offset + distance] : 0 }
        switch byte(0) {
        case lineFeed where offset < bytes.count: return 1
        case carriageReturn: return byte(1) == lineFeed ? 2 : 1
        case 0xC2: return byte(1) == 0x85 ? 2 : 0
        case 0xE2: return byte(1) == 0x80 && (byte(2) == 0xA8 || byte(2) == 0xA9) ? 3 : 0
        default: return 0
        }
    }

    /// Returns the length of the line break that ends at `offset`, or 0.
    static func length(before offset: Int, in bytes: UnsafeRawBufferPointer) -> Int {
        for distance in [3, 2, 1] where distance <= offset {
            if length(at: offset - distance, in: bytes) == distance { return distance }
        }
        return 0
    }

    static func first(from offset: Int, in bytes: UnsafeRawBufferPointer) -> Range<Int>? {
        var place = offset
        while place < bytes.count {
            let length = length(at: place, in: bytes)
            if length > 0 { return place..<place + length }
            place += 1
        }
        return nil
    }

    static func last(before offset: Int, in bytes: UnsafeRawBufferPointer) -> Range<Int>? {
        var place = offset
        while place > 0 {
            let length = length(before: place, in: bytes)
            if length > 0 { return place - length..<place }
            place -= 1
        }
        return nil
    }
}
