import HTTPTypes

/// Builds a response head from the lines that libcurl passes, beginning with the status line. Interim (1xx) heads and
/// trailers are ignored.
struct HeadParser {
    enum Outcome: Equatable {
        case more
        case complete
        case tooLarge
        case malformed
    }

    /// The limit for all lines of a head together. HTTP servers commonly limit heads to 8 to 64 KiB.
    static let maximumBytes = 256 << 10

    private(set) var head: HTTPResponseHead?
    private var status: HTTPResponse.Status?
    private var fields = HTTPFields()
    private var byteCount = 0

    mutating func consume(_ line: UnsafeRawBufferPointer) -> Outcome {
        guard head == nil else { return .more }
        byteCount += line.count
        guard byteCount <= Self.maximumBytes else { return .tooLarge }
        var end = line.count
        while end > 0, line[end - 1] == 0x0A || line[end - 1] == 0x0D { end -= 1 }
        let content = UnsafeRawBufferPointer(rebasing: line[..<end])
        if status == nil { return startHead(content) }
        return content.isEmpty ? endHead() : addField(content)
    }

    /// Parses `HTTP/1.1 200 OK` or `HTTP/2 200`.
    private mutating func startHead(_ line: UnsafeRawBufferPointer) -> Outcome {
        guard line.starts(with: "HTTP/".utf8), let space = line.firstIndex(of: 0x20) else {
            return .malformed
        }
        let digits = line[(space + 1)...].prefix(3)
        guard digits.count == 3, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return .malformed }
        let code = digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
        guard (100...999).contains(code) else { return .malformed }
        status = HTTPResponse.Status(code: code)
        return .more
    }

    private mutating func addField(_ line: UnsafeRawBufferPointer) -> Outcome {
        // Folded lines, obsolete since RFC 7230, and names that are not tokens are ignored.
        guard let colon = line.firstIndex(of: 0x3A),
            let name = HTTPField.Name(String(decoding: line[..<colon], as: UTF8.self))
        else { return .more }
        var value = line[(colon + 1)...]
        while let first = value.first, first == 0x20 || first == 0x09 { value = value.dropFirst() }
        while let last = value.last, last == 0x20 || last == 0x09 { value = value.dropLast() }
        fields.append(HTTPField(name: name, value: String(decoding: value, as: UTF8.self)))
        return .more
    }

    private mutating func endHead() -> Outcome {
        guard let status else { return .malformed }
        if status.code < 200, status.code != 101 {
            self.status = nil
            fields = HTTPFields()
            return .more
        }
        head = HTTPResponseHead(status: status, fields: fields)
        return .complete
    }
}
