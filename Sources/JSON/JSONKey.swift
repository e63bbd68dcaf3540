import Glibc

/// The key of a member, compared with expected names without becoming a `String`.
package struct JSONKey {
    /// The bytes between the quotation marks.
    private let raw: UnsafeRawBufferPointer
    private let offset: Int
    private let hasNoEscapes: Bool

    init(_ raw: UnsafeRawBufferPointer, offset: Int) {
        self.raw = raw
        self.offset = offset
        hasNoEscapes = JSONString.hasNoEscapes(raw)
    }

    package static func ~= (name: StaticString, key: JSONKey) -> Bool {
        let expected = UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        guard key.hasNoEscapes else { return (try? key.text())?.utf8.elementsEqual(expected) == true }
        guard key.raw.count == expected.count, let raw = key.raw.baseAddress, let name = expected.baseAddress
        else { return key.raw.isEmpty && expected.isEmpty }
        return memcmp(raw, name, expected.count) == 0
    }

    package func text() throws(JSONError) -> String {
        try JSONString.decode(raw, hasNoEscapes: hasNoEscapes, offset: offset)
    }

    /// The key in an error's path. Keys may be as long as values: a long one is cut off.
    var pathComponent: JSONError.PathComponent {
        let text = (try? text()) ?? "?"
        return .key(text.utf8.count <= 256 ? text : String(text.unicodeScalars.prefix(64)))
    }
}

/// The containers around a position in JSON, one bit each: 100,000 of them take 12 KB and the outermost 64 no memory.
struct JSONContainerStack {
    private var word: UInt64 = 0
    private var full: [UInt64] = []
    private var count = 0

    /// True if the innermost container is an object, or nil outside of any container.
    var isInObject: Bool? { count == 0 && full.isEmpty ? nil : word & 1 == 1 }

    mutating func push(object: Bool) {
        if count == UInt64.bitWidth {
            full.append(word)
            word = 0
            count = 0
        }
        word = word << 1 | (object ? 1 : 0)
        count += 1
    }

    mutating func pop() {
        word >>= 1
        count -= 1
        if count == 0, let outer = full.popLast() {
            word = outer
            count = UInt64.bitWidth
        }
    }
}
