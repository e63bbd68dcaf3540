/// Path and query as SigV4 signs them, for every service but S3, which keeps its paths as they are.
///
/// Source: AWS IAM User Guide, "Create a signed AWS API request", step 1.
enum SigV4URI {
    /// A path as it is sent: dot segments and doubled slashes taken out, then percent-encoded. What was encoded
    /// already is encoded a second time: that is how services other than S3 check it.
    static func path(_ path: some StringProtocol) -> String {
        var kept: [Substring.UTF8View] = []
        let bytes = Substring(path).utf8
        for segment in bytes.split(separator: slash) where !segment.elementsEqual(".".utf8) {
            if segment.elementsEqual("..".utf8) {
                _ = kept.popLast()
            } else {
                kept.append(segment)
            }
        }
        guard !kept.isEmpty else { return "/" }
        let joined = kept.map { encode($0) }.joined(separator: "/")
        return "/" + joined + (bytes.last == slash ? "/" : "")
    }

    /// A query as it is sent, without its "?": names and values in their one encoding, sorted by the bytes of
    /// the encoded name and then of the value. A name without "=" gets one.
    static func query(_ query: some StringProtocol) -> String {
        guard !query.isEmpty else { return "" }
        let bytes = Substring(query).utf8
        let pairs = bytes.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false).map { pair in
            let name = pair.prefix { $0 != UInt8(ascii: "=") }
            let value = pair.dropFirst(name.count).dropFirst()
            return (name: encode(decode(name)), value: encode(decode(value)))
        }
        return pairs.sorted { left, right in
            left.name == right.name
                ? left.value.utf8.lexicographicallyPrecedes(right.value.utf8)
                : left.name.utf8.lexicographicallyPrecedes(right.name.utf8)
        }.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
    }

    /// Everything but A-Z a-z 0-9 - . _ ~ as %XX.
    static func encode(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var encoded: [UInt8] = []
        for byte in bytes {
            if isUnreserved(byte) {
                encoded.append(byte)
            } else {
                encoded += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }

    /// Undoes %XX. A "%" that begins none stands for itself, and "+" does too: it is a space in forms only.
    private static func decode(_ bytes: Substring.UTF8View.SubSequence) -> [UInt8] {
        var decoded: [UInt8] = []
        var rest = bytes
        while let byte = rest.popFirst() {
            let digits = rest.prefix(2).compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
            if byte == UInt8(ascii: "%"), digits.count == 2 {
                decoded.append(UInt8(digits[0] << 4 | digits[1]))
                rest = rest.dropFirst(2)
            } else {
                decoded.append(byte)
            }
        }
        return decoded
    }

    private static let slash = UInt8(ascii: "/")

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            true
        default: false
        }
    }
}
