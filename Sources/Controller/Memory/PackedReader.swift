import Cryptography

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
            let text = readUnshared(form)
            if text.utf8.count >= PackedForm.minimumEarlierLength,
                earlier.count < PackedForm.maximumEarlierTexts
            {
                earlier.append(text)
            }
            return text
        }
    }

    private mutating func readUnshared(_ form: PackedForm) -> String {
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
