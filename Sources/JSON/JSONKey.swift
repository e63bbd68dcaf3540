import Glibc

/// The key of a member, compared with expected names without becoming a `String`.
public struct JSONKey {
    /// The bytes between the quotation marks.
    @usableFromInline let raw: UnsafeRawBufferPointer
    private let offset: Int
    let isPlainASCII: Bool
    @usableFromInline let hasNoEscapes: Bool

    init(_ raw: JSONRawString, offset: Int) {
        self.raw = raw.bytes
        self.offset = offset
        isPlainASCII = raw.isPlainASCII
        hasNoEscapes = raw.hasNoEscapes
    }

    /// Most names differ in their length, which is compared without a call.
    @inlinable
    public static func ~= (name: StaticString, key: JSONKey) -> Bool {
        guard key.hasNoEscapes else { return key.isEscaped(name) }
        return key.raw.count == name.utf8CodeUnitCount && key.hasBytes(of: name)
    }

    /// - Parameter name: has as many bytes as the key.
    @usableFromInline func hasBytes(of name: StaticString) -> Bool {
        guard let raw = raw.baseAddress else { return true }
        return memcmp(raw, name.utf8Start, self.raw.count) == 0
    }

    /// Returns true if the key is `name` after its escapes are decoded.
    @usableFromInline func isEscaped(_ name: StaticString) -> Bool {
        let expected = UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        return (try? text())?.utf8.elementsEqual(expected) == true
    }

    package func text() throws(JSONError) -> String {
        try JSONString.decode(
            JSONRawString(bytes: raw, isPlainASCII: isPlainASCII), offset: offset)
    }

    /// Returns an error in the member's value with the key in its path. Keys may be as long as values: a long one is cut
    /// off.
    @usableFromInline func prefixingPath(of error: JSONError) -> JSONError {
        let text = (try? text()) ?? "?"
        return error.prefixingPath(
            .key(text.utf8.count <= 256 ? text : String(text.unicodeScalars.prefix(64))))
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
