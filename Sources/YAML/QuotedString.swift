import Cryptography

/// Strings in double quotes, for JSON and for YAML, which shares these escapes.
enum QuotedString {
    /// `text` is UTF-8. What YAML cannot show is written as `\u`, which JSON takes too.
    static func append(_ text: UnsafeRawBufferPointer, to output: inout SecretBuffer) {
        output.append(UInt8(ascii: "\""))
        for scalar in UTF8Scalars(bytes: text) {
            switch scalar {
            case "\"": output.append("\\\"")
            case "\\": output.append("\\\\")
            case "\n": output.append("\\n")
            case "\r": output.append("\\r")
            case "\t": output.append("\\t")
            case _ where StringOutputStyle.needsEscape(scalar): appendEscape(scalar.value, to: &output)
            default: appendUTF8(scalar, to: &output)
            }
        }
        output.append(UInt8(ascii: "\""))
    }

    /// All that need it are below U+10000.
    private static func appendEscape(_ value: UInt32, to output: inout SecretBuffer) {
        output.append("\\u")
        for shift: UInt32 in [12, 8, 4, 0] {
            let digit = UInt8(truncatingIfNeeded: value >> shift & 15)
            output.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }
}

func appendUTF8(_ scalar: Unicode.Scalar, to buffer: inout SecretBuffer) {
    for byte in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter { buffer.append(byte) }
}
