package import Cryptography

/// A value without parts. Its bytes are a secret: nobody can know here which ones are harmless.
package struct YAMLScalar: Sendable {
    /// How it is written.
    package enum Style: Sendable { case plain, singleQuoted, doubleQuoted, literal, folded }

    /// What kubectl makes of it: YAML 1.1 as go-yaml reads it, so that `yes` is a boolean and `012` is ten.
    package enum ValueType: Sendable, Equatable { case null, bool, int, float, string }

    /// Few scalars have a tag; the others do not pay for its name.
    private final class TagName: Sendable {
        let name: String

        init(_ name: String) { self.name = name }
    }

    /// UTF-8, escapes and `!!binary` undone.
    package let text: ScalarText
    private let tagName: TagName?
    package let style: Style
    package let valueType: ValueType

    package init(text: ScalarText, style: Style, kind: ValueType, tag: String? = nil) {
        self.text = text
        self.style = style
        self.valueType = kind
        tagName = tag.map { TagName($0) }
    }

    /// As written in full (`tag:yaml.org,2002:str`); nil where there is none.
    package var tag: String? { tagName?.name }

    /// A copy of the text that outlives the file's other scalars.
    package var bytes: SharedSecret {
        text.withUnsafeBytes { SharedSecret(SecretBytes(copying: $0)) }
    }

    /// The text of a string. Copies it to ordinary memory: only for what is known not to be secret.
    package var string: String? {
        valueType == .string ? text.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } : nil
    }

    package var bool: Bool? {
        guard valueType == .bool else { return nil }
        // The words are y, yes, true, on and their opposites: two letters tell them apart.
        return text.withUnsafeBytes { text in
            let first = text[0] | 0x20
            if first == UInt8(ascii: "o") { return text[1] | 0x20 == UInt8(ascii: "n") }
            return first == UInt8(ascii: "y") || first == UInt8(ascii: "t")
        }
    }

    package var int: Int? {
        guard valueType == .int else { return nil }
        return text.withUnsafeBytes { PlainScalar.integer($0) }.flatMap { Int(exactly: $0) }
    }
}
