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
        if value.utf8.count >= PackedForm.minimumEarlierLength, earlier.count < PackedForm.maximumEarlierTexts
        {
            earlier.append(value)
        }
        value.withUTF8 { writeUnshared($0) }
    }

    /// Writes a text that many objects have, and that is kept once for all of them.
    mutating func sharedText(_ value: String?, _ texts: inout SharedValues<String>) {
        guard let value else { return form(.none) }
        guard value.isShareable, let index = texts.index(of: value, size: value.utf8.count) else {
            return text(value)
        }
        form(.shared)
        count(index)
    }

    private mutating func form(_ form: PackedForm) { byte(form.rawValue) }

    private mutating func writeUnshared(_ text: UnsafeBufferPointer<UInt8>) {
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
