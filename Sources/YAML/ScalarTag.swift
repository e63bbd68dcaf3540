import Cryptography

/// What a tag makes of a scalar: as kubectl does, standard tags are checked and other ones mean a string.
enum ScalarTag {
    struct MismatchError: Error {
        let message: String
    }

    static func resolve(
        _ text: ScalarText, _ style: YAMLScalar.Style, tag: String?
    ) throws(MismatchError) -> YAMLScalar {
        func scalar(_ kind: YAMLScalar.ValueType) -> YAMLScalar {
            YAMLScalar(text: text, style: style, kind: kind, tag: tag)
        }
        guard let tag else { return scalar(style == .plain ? plainKind(text) : .string) }
        guard tag.hasPrefix(standard) else { return scalar(.string) }
        switch tag.dropFirst(standard.count) {
        case "null": return scalar(try check(plainKind(text) == .null, .null))
        case "bool": return scalar(try check(plainKind(text) == .bool, .bool))
        case "int": return scalar(try check(plainKind(text) == .int, .int))
        case "float": return scalar(try check([.float, .int].contains(plainKind(text)), .float))
        case "binary":
            return YAMLScalar(text: try decodeBinary(text), style: style, kind: .string, tag: tag)
        default: return scalar(.string)
        }
    }

    private static func plainKind(_ text: ScalarText) -> YAMLScalar.ValueType {
        text.withUnsafeBytes { PlainScalar.valueType($0) }
    }

    private static let standard = "tag:yaml.org,2002:"

    private static func check(_ fits: Bool, _ kind: YAMLScalar.ValueType) throws(MismatchError)
        -> YAMLScalar.ValueType
    {
        guard fits else {
            throw MismatchError(message: "the value is no !!\(kind) as its tag says; correct one of them")
        }
        return kind
    }

    /// kubectl would put U+FFFD in place of what is no text.
    private static func decodeBinary(_ text: ScalarText) throws(MismatchError) -> ScalarText {
        let decoded = text.withUnsafeBytes { bytes in
            try? SharedSecret(Base64.decodeSecret(bytes, skipping: Base64.lineBreaks))
        }
        guard let decoded, decoded.bytes.withUnsafeBytes({ isValidUTF8($0) }) else {
            throw MismatchError(
                message: "!!binary needs padded base64 of UTF-8 text; put other bytes, as base64 without "
                    + "the tag, under `data`")
        }
        return decoded.bytes.withUnsafeBytes { ScalarText(copying: $0) }
    }
}

func isValidUTF8(_ bytes: UnsafeRawBufferPointer) -> Bool {
    (try? UTF8Span(validating: bytes.bindMemory(to: UInt8.self).span)) != nil
}
