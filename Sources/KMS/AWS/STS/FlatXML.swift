import Cryptography

/// The texts of the leaf elements of an XML document, in secret memory. It reads documents of AWS's Query protocol: trees of
/// elements with text in the leaves only.
///
/// It ignores attributes and comments, and rejects document types, so that there are no entities but XML's own, and CDATA.
struct FlatXML: Sendable {
    /// The texts by path: `ErrorResponse/Error/Code`.
    private let texts: [String: SharedSecret]

    // A path is stored for each leaf: without these limits, a document with a long name and many leaves in it would take
    // the square of its size in memory.
    private static let maximumDepth = 16
    private static let maximumNameLength = 128
    private static let maximumLeaves = 1024

    /// Returns nil if the document is not well-formed or not of this form, exceeds a limit, or has two leaves with the same
    /// path.
    init?(_ document: borrowing SecretBytes) {
        let texts = document.withUnsafeBytes { bytes in
            var reader = Reader(bytes)
            return reader.read()
        }
        guard let texts else { return nil }
        self.texts = texts
    }

    /// Returns nil if there is no such element, or it is empty.
    func secret(_ path: String) -> SharedSecret? {
        texts[path].flatMap { $0.count > 0 ? $0 : nil }
    }

    /// Copies a text to ordinary memory. Only for texts that are not secret.
    func string(_ path: String) -> String? {
        secret(path).map { $0.bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
    }

    private struct Reader {
        private var rest: Slice<UnsafeRawBufferPointer>
        private var path: [String] = []
        private var texts: [String: SharedSecret] = [:]
        /// True if the current element contains elements, and so is not a leaf.
        private var hasElements = false
        private var text = Slice(base: UnsafeRawBufferPointer(start: nil, count: 0), bounds: 0..<0)

        init(_ bytes: UnsafeRawBufferPointer) { rest = bytes[...] }

        mutating func read() -> [String: SharedSecret]? {
            while let start = rest.firstIndex(of: UInt8(ascii: "<")) {
                text = rest[..<start]
                // There is only white space outside the root element.
                guard !path.isEmpty || text.allSatisfy(Self.isSpace) else { return nil }
                guard let tag = markup(from: start) else { return nil }
                // A comment inside a text would cut it in two.
                guard !tag.isEmpty || text.allSatisfy(Self.isSpace) else { return nil }
                if tag.isEmpty { continue }
                guard element(tag) else { return nil }
            }
            return path.isEmpty && !texts.isEmpty && rest.allSatisfy(Self.isSpace) ? texts : nil
        }

        /// Reads one tag or comment.
        ///
        /// - Returns: The text between `<` and `>`, or an empty slice for a comment or processing instruction.
        private mutating func markup(from start: Int) -> Slice<UnsafeRawBufferPointer>? {
            let body = rest[(start + 1)...]
            if body.starts(with: "!--".utf8) {
                guard let end = body.firstRange(of: "-->".utf8) else { return nil }
                rest = body[end.upperBound...]
                return body[body.startIndex..<body.startIndex]
            }
            guard body.first != UInt8(ascii: "!"), let end = body.firstIndex(of: UInt8(ascii: ">")) else {
                return nil
            }
            rest = body[(end + 1)...]
            let tag = body[..<end]
            if tag.first == UInt8(ascii: "?") {
                return tag.last == UInt8(ascii: "?") ? tag[tag.endIndex..<tag.endIndex] : nil
            }
            // A `>` inside quotes does not end the tag; such tags are rejected.
            let quotes = tag.count { $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "'") }
            return tag.isEmpty || !quotes.isMultiple(of: 2) ? nil : tag
        }

        private mutating func element(_ tag: Slice<UnsafeRawBufferPointer>) -> Bool {
            if tag.first == UInt8(ascii: "/") {
                guard let name = Self.name(tag.dropFirst()), name == path.last else { return false }
                if !hasElements, !keep(text) { return false }
                path.removeLast()
                hasElements = true
                return true
            }
            guard let name = Self.name(tag), path.count < FlatXML.maximumDepth else { return false }
            // Text beside elements is rejected.
            guard path.isEmpty || text.allSatisfy(Self.isSpace) else { return false }
            path.append(name)
            hasElements = false
            guard tag.last == UInt8(ascii: "/") else { return true }
            guard keep(tag[tag.endIndex..<tag.endIndex]) else { return false }
            path.removeLast()
            hasElements = true
            return true
        }

        private mutating func keep(_ text: Slice<UnsafeRawBufferPointer>) -> Bool {
            guard texts.count < FlatXML.maximumLeaves else { return false }
            let key = path.joined(separator: "/")
            guard texts[key] == nil, let decoded = Self.decoded(text) else { return false }
            texts[key] = decoded
            return true
        }

        private static func name(_ tag: Slice<UnsafeRawBufferPointer>) -> String? {
            let name = tag.prefix { !isSpace($0) && $0 != UInt8(ascii: "/") }
            guard (1...FlatXML.maximumNameLength).contains(name.count), name.allSatisfy({ 0x21...0x7E ~= $0 })
            else { return nil }
            return String(decoding: name, as: UTF8.self)
        }

        /// Replaces the five entities of XML and numeric references to ASCII characters.
        private static func decoded(_ text: Slice<UnsafeRawBufferPointer>) -> SharedSecret? {
            var buffer = SecretBuffer(capacity: text.count)
            var rest = text
            while let start = rest.firstIndex(of: UInt8(ascii: "&")) {
                buffer.append(UnsafeRawBufferPointer(rebasing: rest[..<start]))
                let tail = rest[(start + 1)...]
                guard let end = tail.prefix(8).firstIndex(of: UInt8(ascii: ";")),
                    let byte = character(String(decoding: tail[..<end], as: UTF8.self))
                else { return nil }
                buffer.append(byte)
                rest = tail[(end + 1)...]
            }
            buffer.append(UnsafeRawBufferPointer(rebasing: rest))
            return SharedSecret(buffer.finish())
        }

        private static func character(_ entity: String) -> UInt8? {
            switch entity {
            case "amp": return UInt8(ascii: "&")
            case "lt": return UInt8(ascii: "<")
            case "gt": return UInt8(ascii: ">")
            case "quot": return UInt8(ascii: "\"")
            case "apos": return UInt8(ascii: "'")
            default:
                guard entity.hasPrefix("#") else { return nil }
                let number = entity.dropFirst()
                let value = number.hasPrefix("x") ? UInt8(number.dropFirst(), radix: 16) : UInt8(number)
                return value.flatMap { 0x20...0x7E ~= $0 || 0x09...0x0D ~= $0 ? $0 : nil }
            }
        }

        private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || 0x09...0x0D ~= byte }
    }
}
