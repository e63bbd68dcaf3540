import Primitives

/// What a tag makes of a scalar: as kubectl does, standard tags are checked and other ones mean a string.
enum ScalarTag {
    struct Misfit: Error {
        let message: String
    }

    static func resolve(
        _ bytes: SharedSecret, _ style: Scalar.Style, tag: String?
    ) throws(Misfit) -> Scalar {
        func scalar(_ kind: Scalar.Kind) -> Scalar {
            Scalar(bytes: bytes, style: style, kind: kind, tag: tag)
        }
        let plainKind = bytes.bytes.withUnsafeBytes { PlainScalar.kind($0) }
        guard let tag else { return scalar(style == .plain ? plainKind : .string) }
        guard tag.hasPrefix(standard) else { return scalar(.string) }
        switch tag.dropFirst(standard.count) {
        case "null": return scalar(try check(plainKind == .null, .null))
        case "bool": return scalar(try check(plainKind == .bool, .bool))
        case "int": return scalar(try check(plainKind == .int, .int))
        case "float": return scalar(try check(plainKind == .float || plainKind == .int, .float))
        case "binary":
            return Scalar(bytes: try decodeBinary(bytes), style: style, kind: .string, tag: tag)
        default: return scalar(.string)
        }
    }

    private static let standard = "tag:yaml.org,2002:"

    private static func check(_ fits: Bool, _ kind: Scalar.Kind) throws(Misfit) -> Scalar.Kind {
        guard fits else {
            throw Misfit(message: "the value is no !!\(kind) as its tag says; correct one of them")
        }
        return kind
    }

    /// kubectl would put U+FFFD in place of what is no text.
    private static func decodeBinary(_ text: SharedSecret) throws(Misfit) -> SharedSecret {
        let decoded = try? SharedSecret(Base64.decodeSecret(text.bytes, skipping: Base64.lineBreaks))
        guard let decoded, decoded.bytes.withUnsafeBytes({ isUTF8($0) }) else {
            throw Misfit(
                message: "!!binary needs padded base64 of UTF-8 text; put other bytes, as base64 without "
                    + "the tag, under `data`")
        }
        return decoded
    }
}

func isUTF8(_ bytes: UnsafeRawBufferPointer) -> Bool {
    (try? UTF8Span(validating: bytes.bindMemory(to: UInt8.self).span)) != nil
}
