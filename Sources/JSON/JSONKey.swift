import Glibc

/// The key of a member, compared with what it may be without becoming a `String`.
package struct JSONKey {
    /// Between the quotation marks.
    private let raw: UnsafeRawBufferPointer
    private let offset: Int
    private let isPlain: Bool

    init(_ raw: UnsafeRawBufferPointer, offset: Int) {
        self.raw = raw
        self.offset = offset
        isPlain = JSONStringDecoding.hasNoEscapes(raw)
    }

    package static func ~= (name: StaticString, key: JSONKey) -> Bool {
        let expected = UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        guard key.isPlain else { return (try? key.text())?.utf8.elementsEqual(expected) == true }
        guard key.raw.count == expected.count, let one = key.raw.baseAddress, let other = expected.baseAddress
        else { return key.raw.isEmpty && expected.isEmpty }
        return memcmp(one, other, expected.count) == 0
    }

    package func text() throws(JSONError) -> String {
        try JSONStringDecoding.decode(raw, isPlain: isPlain, offset: offset)
    }

    /// For an error's path: keys may be as long as a value.
    var pathComponent: JSONError.PathComponent {
        .key(String((try? text()) ?? "?").prefixForPath)
    }
}

extension String {
    fileprivate var prefixForPath: String {
        utf8.count <= 256 ? self : String(unicodeScalars.prefix(64))
    }
}
