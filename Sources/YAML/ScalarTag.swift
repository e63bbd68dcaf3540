import Primitives

/// What a tag makes of a scalar: as kubectl does, standard tags are checked and other ones mean a string.
enum ScalarTag {
    struct Misfit: Error {
        let message: String
    }

    static func resolve(
        _ text: ScalarText, _ style: Scalar.Style, tag: String?
    ) throws(Misfit) -> Scalar {
        func scalar(_ kind: Scalar.Kind) -> Scalar { Scalar(text: text, style: style, kind: kind, tag: tag) }
        guard let tag else { return scalar(style == .plain ? plainKind(text) : .string) }
        guard tag.hasPrefix(standard) else { return scalar(.string) }
        switch tag.dropFirst(standard.count) {
        case "null": return scalar(try check(plainKind(text) == .null, .null))
        case "bool": return scalar(try check(plainKind(text) == .bool, .bool))
        case "int": return scalar(try check(plainKind(text) == .int, .int))
        case "float": return scalar(try check([.float, .int].contains(plainKind(text)), .float))
        case "binary":
            return Scalar(text: try decodeBinary(text), style: style, kind: .string, tag: tag)
        default: return scalar(.string)
        }
    }

    private static func plainKind(_ text: ScalarText) -> Scalar.Kind {
        text.withUnsafeBytes { PlainScalar.kind($0) }
    }

    private static let standard = "tag:yaml.org,2002:"

    private static func check(_ fits: Bool, _ kind: Scalar.Kind) throws(Misfit) -> Scalar.Kind {
        guard fits else {
            throw Misfit(message: "the value is no !!\(kind) as its tag says; correct one of them")
        }
        return kind
    }

    /// kubectl would put U+FFFD in place of what is no text.
    private static func decodeBinary(_ text: ScalarText) throws(Misfit) -> ScalarText {
        let decoded = text.withUnsafeBytes { bytes in
            try? SharedSecret(Base64.decodeSecret(bytes, skipping: Base64.lineBreaks))
        }
        guard let decoded, decoded.bytes.withUnsafeBytes({ isUTF8($0) }) else {
            throw Misfit(
                message: "!!binary needs padded base64 of UTF-8 text; put other bytes, as base64 without "
                    + "the tag, under `data`")
        }
        return decoded.bytes.withUnsafeBytes { ScalarText(copying: $0) }
    }
}

func isUTF8(_ bytes: UnsafeRawBufferPointer) -> Bool {
    (try? UTF8Span(validating: bytes.bindMemory(to: UInt8.self).span)) != nil
}
