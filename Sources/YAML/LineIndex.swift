/// The lines of a text, and what libyaml does not see as it is meant: byte order marks at the start of documents after
/// the first, as where files are joined, and directives without end, of which each is compared with all others.
struct LineIndex {
    /// The first byte of each line, after its byte order mark.
    private(set) var starts: [UInt32] = []
    /// Byte order marks that start a document.
    private(set) var byteOrderMarks: [Int] = []
    /// The first directive that is one too many.
    private(set) var excessiveDirective: Int?

    static let maximumTagDirectives = 64

    /// Whether the document has not begun: there were blank lines, comments and directives only.
    private var isBeforeContent = true
    private var tagDirectives = 0

    init(_ text: UnsafeRawBufferPointer, count: Int) {
        starts.reserveCapacity(count)
        var offset = 0
        while true {
            let end = text[offset...].firstIndex(of: lineFeed) ?? text.count
            let start = startAfterMark(offset, text[offset..<end])
            starts.append(UInt32(truncatingIfNeeded: start))
            look(at: text[start..<end])
            guard end < text.count else { return }
            offset = end + 1
        }
    }

    private mutating func startAfterMark(_ offset: Int, _ line: Slice<UnsafeRawBufferPointer>) -> Int {
        guard line.starts(with: SourceText.byteOrderMark) else { return offset }
        let rest = line.dropFirst(SourceText.byteOrderMark.count)
        guard isBeforeContent || Self.isMarker(rest, UInt8(ascii: "-")) else { return offset }
        byteOrderMarks.append(offset)
        return rest.startIndex
    }

    private mutating func look(at line: Slice<UnsafeRawBufferPointer>) {
        if Self.isMarker(line, UInt8(ascii: "-")) || Self.isMarker(line, UInt8(ascii: ".")) {
            isBeforeContent = Self.isBlankOrComment(line.dropFirst(3))
            tagDirectives = 0
        } else if line.first == UInt8(ascii: "%") {
            guard line.starts(with: "%TAG".utf8) else { return }
            tagDirectives += 1
            if tagDirectives > Self.maximumTagDirectives, excessiveDirective == nil {
                excessiveDirective = line.startIndex
            }
        } else if isBeforeContent {
            isBeforeContent = Self.isBlankOrComment(line)
        }
    }

    /// Three of the character, and then a blank or the end of the line.
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
