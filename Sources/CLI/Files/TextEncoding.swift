import Cryptography

/// Files that kubectl reads, and that are not searched or read here.
enum TextEncoding {
    /// Refuses UTF-16: a word that is searched for in it is never found, so that the file would be passed over.
    static func rejectUTF16(_ contents: SharedSecret, source: String) throws(InputError) {
        guard let name = contents.bytes.withUnsafeBytes({ utf16Encoding($0) }) else { return }
        throw InputError(source, "is UTF-16; convert it to UTF-8 with iconv -f \(name) -t UTF-8")
    }

    /// The name that iconv has for it; nil if the bytes are not UTF-16.
    static func utf16Encoding(_ bytes: UnsafeRawBufferPointer) -> String? {
        if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) { return "UTF-16" }
        // Without a byte order mark, every second byte of ASCII is NUL.
        let start = bytes.prefix(16)
        guard start.count >= 4 else { return nil }
        let pairs = stride(from: 0, to: start.count - 1, by: 2).map { (start[$0], start[$0 + 1]) }
        if pairs.allSatisfy({ isText($0) && $1 == 0 }) { return "UTF-16LE" }
        return pairs.allSatisfy({ $0 == 0 && isText($1) }) ? "UTF-16BE" : nil
    }

    private static func isText(_ byte: UInt8) -> Bool { byte >= 0x20 || (9...13).contains(byte) }
}
