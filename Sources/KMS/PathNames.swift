/// The parts of a URL path that settings give. They go into URLs and key ids as they are, so what would
/// need escaping, or would mean another path, is not a name.
enum URLPath {
    /// One segment: 1 to 128 of A-Z a-z 0-9 - _ . and not "." or "..".
    static func isSegment(_ text: some StringProtocol) -> Bool {
        let bytes = text.utf8
        return (1...128).contains(bytes.count) && bytes.allSatisfy(isSegmentByte)
            && !bytes.elementsEqual(".".utf8) && !bytes.elementsEqual("..".utf8)
    }

    /// Segments joined by "/", without one at either end.
    static func isPath(_ text: some StringProtocol) -> Bool {
        (1...256).contains(text.utf8.count)
            && text.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { isSegment($0) }
    }

    /// "/transit/" and "transit" are one mount to a person.
    static func trimmingSlashes(_ text: String) -> String { trimming("/", from: text) }

    static func trimming(_ character: Character, from text: some StringProtocol) -> String {
        var rest = Substring(text)
        while rest.first == character { rest.removeFirst() }
        while rest.last == character { rest.removeLast() }
        return String(rest)
    }

    private static func isSegmentByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }
}
