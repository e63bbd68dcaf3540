import System

/// The name that kubectl gives a key: JSON has string keys only, so that a plain `1` becomes `"1"`.
enum MappingKey {
    static func name(
        of key: YAMLNode, in text: SourceText
    ) throws(YAMLError) -> (key: String, isRewritten: Bool) {
        guard let scalar = key.scalar, scalar.valueType != .null else {
            throw text.error(
                .badKey, at: key.range,
                "\(key.typeName) cannot be a key; write a string, in quotes if need be"
            )
        }
        let written = scalar.text.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        switch scalar.valueType {
        case .bool:
            let name = scalar.bool == true ? "true" : "false"
            return (name, name != written)
        case .int:
            let name = scalar.text.withUnsafeBytes { PlainScalar.integer($0) }.map { "\($0)" }
            return (name ?? written, name != written)
        case .float:
            // 1.20 becomes "1.2", 1e3 becomes "1000": the exact form is Go's affair.
            return (written, true)
        case .string, .null:
            return (written, false)
        }
    }
}
