import Cryptography

/// Writes the fields of one object as bytes. Texts that are typical of Kubernetes objects take few: a uid 17, a time 7, base64
/// three quarters of its length, a text that most objects share or that the object has already 2 or 3.
struct PackedWriter: Sendable {
    private var bytes: [UInt8] = []
    private var earlier: [String] = []

    /// Returns the bytes without spare capacity, and starts over.
    mutating func finish() -> [UInt8] {
        defer {
            bytes.removeAll(keepingCapacity: true)
            earlier.removeAll(keepingCapacity: true)
        }
        return bytes.withUnsafeBufferPointer { Array($0) }
    }

    mutating func byte(_ value: UInt8) { bytes.append(value) }

    mutating func flag(_ value: Bool?) { byte(value.map { $0 ? 2 : 1 } ?? 0) }

    /// Writes seven bits in each byte, the lowest first.
    mutating func count(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            byte(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        byte(UInt8(truncatingIfNeeded: rest))
    }

    mutating func count(_ value: Int) { count(UInt64(bitPattern: Int64(value))) }

    mutating func integer(_ value: Int64?) {
        byte(value == nil ? 0 : 1)
        if let value { count(UInt64(bitPattern: value)) }
    }

    mutating func data(_ value: some Collection<UInt8>) {
        count(value.count)
        bytes += value
    }

    /// Writes a text that other objects do not have.
    mutating func text(_ value: String?) {
        guard var value else { return form(.none) }
        // `==` alone also equates different bytes that are canonically equivalent.
        let known = earlier.firstIndex {
            $0.utf8.count == value.utf8.count && $0 == value && $0.utf8.elementsEqual(value.utf8)
        }
        if let index = known {
            form(.earlier)
            return count(index)
        }
        if value.utf8.count >= PackedForm.minimumEarlierLength { earlier.append(value) }
        value.withUTF8 { own($0) }
    }

    /// Writes a text that many objects have, and that is kept once for all of them.
    mutating func sharedText(_ value: String?, _ texts: inout SharedValues<String>) {
        guard let value else { return form(.none) }
        guard value.isShareable, let index = texts.index(of: value) else { return text(value) }
        form(.shared)
        count(index)
    }

    private mutating func form(_ form: PackedForm) { byte(form.rawValue) }

    private mutating func own(_ text: UnsafeBufferPointer<UInt8>) {
        if text.count == PackedTime.length, let time = PackedTime.digits(text) {
            form(.time)
            for shift in 0..<6 { byte(UInt8(truncatingIfNeeded: time >> (shift * 8))) }
            return
        }
        if text.count >= PackedUUID.length,
            let uuid = PackedUUID.bytes(UnsafeBufferPointer(rebasing: text[..<PackedUUID.length]))
        {
            form(text.count == PackedUUID.length ? .uuid : .uuidAndText)
            bytes += uuid
            return text.count == PackedUUID.length ? () : data(text[PackedUUID.length...])
        }
        if text.count <= 18, let first = text.first, first != 0x30,
            text.allSatisfy({ (0x30...0x39).contains($0) })
        {
            form(.number)
            return count(text.reduce(UInt64(0)) { $0 &* 10 &+ UInt64($1 &- 0x30) })
        }
        // The wrapped keys of Vault have the form `vault:v1:<base64>`.
        let start = text.count < 24 ? text.count : (text.lastIndex(of: 0x3A) ?? -1) + 1
        if start < text.count, let decoded = Self.base64(UnsafeBufferPointer(rebasing: text[start...])) {
            form(.prefixAndBase64)
            data(text[..<start])
            return data(decoded)
        }
        form(.text)
        data(text)
    }

    /// Decodes base64 if it is what the same bytes are encoded as.
    private static func base64(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        guard text.count.isMultiple(of: 4) else { return nil }
        return try? Base64.decode(String(decoding: text, as: UTF8.self))
    }
}

/// Reads what a `PackedWriter` has written. Every method returns nothing after the end, or for bytes of another form.
struct PackedReader {
    private let bytes: UnsafeRawBufferPointer
    private let texts: [String]
    private var offset = 0
    private var earlier: [String] = []

    /// - Parameters:
    ///   - bytes: must outlive the reader.
    ///   - texts: the shared texts by their index.
    init(_ bytes: UnsafeRawBufferPointer, texts: [String] = []) {
        self.bytes = bytes
        self.texts = texts
    }

    mutating func byte() -> UInt8? {
        guard offset < bytes.count else { return nil }
        defer { offset += 1 }
        return bytes[offset]
    }

    mutating func flag() -> Bool? { byte().flatMap { $0 == 0 ? nil : $0 == 2 } }

    mutating func count() -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while let next = byte() {
            value |= UInt64(next & 0x7F) << shift
            guard next & 0x80 != 0 else { break }
            shift += 7
        }
        return value
    }

    mutating func size() -> Int { Int(truncatingIfNeeded: count()) }

    /// Reads the number of elements of a list, of which each takes at least one byte. 0 stands for no list, and 1 for an
    /// empty one.
    mutating func listSize() -> Int { min(size(), bytes.count - offset + 1) }

    mutating func integer() -> Int64? { byte() == 1 ? Int64(bitPattern: count()) : nil }

    mutating func data() -> UnsafeRawBufferPointer { data(count: size()) }

    private mutating func data(count: Int) -> UnsafeRawBufferPointer {
        let count = min(max(count, 0), bytes.count - offset)
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
    }

    mutating func text() -> String? {
        guard let form = byte().flatMap(PackedForm.init) else { return nil }
        switch form {
        case .none: return nil
        case .shared:
            let index = size()
            return texts.indices.contains(index) ? texts[index] : nil
        case .earlier:
            let index = size()
            return earlier.indices.contains(index) ? earlier[index] : nil
        default:
            let text = own(form)
            if text.utf8.count >= PackedForm.minimumEarlierLength { earlier.append(text) }
            return text
        }
    }

    private mutating func own(_ form: PackedForm) -> String {
        switch form {
        case .time: return PackedTime.text(data(count: 6))
        case .uuid: return PackedUUID.text(data(count: PackedUUID.byteCount), followedBy: nil)
        case .uuidAndText: return PackedUUID.text(data(count: PackedUUID.byteCount), followedBy: data())
        case .number: return String(count())
        case .prefixAndBase64:
            let prefix = data()
            let encoded = Base64.encode(data())
            return prefix.isEmpty ? encoded : String(decoding: prefix, as: UTF8.self) + encoded
        case .text, .none, .shared, .earlier: return String(decoding: data(), as: UTF8.self)
        }
    }
}

/// The form of a packed text, in its first byte.
private enum PackedForm: UInt8 {
    case none, text, shared, earlier, uuid, uuidAndText, time, number, prefixAndBase64

    /// A reference to a shorter text takes as many bytes as the text.
    static let minimumEarlierLength = 3
}

/// A time of the form `2026-11-26T02:39:28Z` as a number of 14 digits.
private enum PackedTime {
    static let length = 20
    private static let pattern = Array("0000-00-00T00:00:00Z".utf8)

    static func digits(_ text: UnsafeBufferPointer<UInt8>) -> UInt64? {
        var number: UInt64 = 0
        for (byte, expected) in zip(text, pattern) {
            if expected == 0x30, (0x30...0x39).contains(byte) {
                number = number &* 10 &+ UInt64(byte &- 0x30)
            } else if expected == 0x30 || byte != expected {
                return nil
            }
        }
        return number
    }

    static func text(_ bytes: UnsafeRawBufferPointer) -> String {
        var rest = bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return String(unsafeUninitializedCapacity: length) { buffer in
            for index in pattern.indices.reversed() {
                buffer[index] = pattern[index]
                guard pattern[index] == 0x30 else { continue }
                buffer[index] = 0x30 + UInt8(rest % 10)
                rest /= 10
            }
            return length
        }
    }
}

/// A UUID in lower case as its 16 bytes.
private enum PackedUUID {
    static let length = 36
    static let byteCount = 16
    private static let digits = Array("0123456789abcdef".utf8)

    static func bytes(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(byteCount)
        var high: UInt8?
        for (index, byte) in text.enumerated() {
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x61...0x66: digit = byte - 0x61 + 10
            case 0x2D where isDash(index): continue
            default: return nil
            }
            if isDash(index) { return nil }
            if let first = high { bytes.append(first << 4 | digit) }
            high = high == nil ? digit : nil
        }
        return bytes.count == byteCount ? bytes : nil
    }

    private static func isDash(_ index: Int) -> Bool {
        index == 8 || index == 13 || index == 18 || index == 23
    }

    static func text(_ bytes: UnsafeRawBufferPointer, followedBy rest: UnsafeRawBufferPointer?) -> String {
        String(unsafeUninitializedCapacity: length + (rest?.count ?? 0)) { buffer in
            var index = 0
            for byte in bytes {
                if isDash(index) {
                    buffer[index] = 0x2D
                    index += 1
                }
                buffer[index] = digits[Int(byte >> 4)]
                buffer[index + 1] = digits[Int(byte & 15)]
                index += 2
            }
            for byte in rest ?? .init(start: nil, count: 0) {
                buffer[index] = byte
                index += 1
            }
            return index
        }
    }
}
