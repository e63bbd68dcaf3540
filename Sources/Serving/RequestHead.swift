/// The request line of an HTTP/1.1 request (RFC 9112). Header fields are ignored: the server accepts no bodies.
enum RequestHead: Hashable {
    /// The empty line that ends the head has not been received.
    case incomplete
    case malformed
    case get(AdminRequest)
    case head(AdminRequest)
    /// The method is neither GET nor HEAD.
    case other

    /// A head without an end is malformed from this number of bytes on.
    static let maximumCount = 8 * 1024

    /// - Parameter alreadySearched: The number of bytes that were an incomplete head before. They are not searched
    ///   again, so that a head that arrives byte by byte takes linear time.
    init(_ bytes: [UInt8], alreadySearched: Int = 0) {
        // The search steps back a little, because the end of the head may be split between two reads.
        guard let end = Self.end(of: bytes, from: alreadySearched - 3) else {
            self = bytes.count < Self.maximumCount ? .incomplete : .malformed
            return
        }
        let first = bytes[..<end].prefix { $0 != UInt8(ascii: "\r") && $0 != UInt8(ascii: "\n") }
        let words = first.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard words.count == 3, words[2].starts(with: Array("HTTP/1.".utf8)),
            words[1].first == UInt8(ascii: "/"), words[1].allSatisfy({ (0x21...0x7E).contains($0) }),
            !words[0].isEmpty
        else {
            self = .malformed
            return
        }
        let path = words[1].prefix { $0 != UInt8(ascii: "?") }
        let request = AdminRequest(path: String(decoding: path, as: UTF8.self))
        switch String(decoding: words[0], as: UTF8.self) {
        case "GET": self = .get(request)
        case "HEAD": self = .head(request)
        default: self = .other
        }
    }

    /// Returns the index of the line feed before the empty line that ends the head. Lines end with or without a
    /// carriage return.
    private static func end(of bytes: [UInt8], from start: Int) -> Int? {
        let newline = UInt8(ascii: "\n")
        for index in max(0, start)..<max(0, start, bytes.count) where bytes[index] == newline {
            let rest = bytes[(index + 1)...].prefix(2)
            if rest.first == newline || rest.elementsEqual([UInt8(ascii: "\r"), newline]) { return index }
        }
        return nil
    }
}
