import Primitives
import YAML

/// The files that `--from-env-file` reads: UTF-8, a variable a line, `#` comments, no quoting and no escapes;
/// what stands after `=` is the value to the letter. Tried against kubectl 1.36.
enum EnvFile {
    struct Line: Sendable {
        let number: Int
        let key: String
        /// Nil when the line has no `=`.
        let value: SharedSecret?
    }

    static func lines(_ contents: SharedSecret, source: String) throws(InputError) -> [Line] {
        guard SecretText(contents) != nil else {
            throw InputError(
                source, "is not UTF-8; KEY=VALUE lines are expected (binary values: --from-file)")
        }
        return try contents.bytes.withUnsafeBytes { bytes throws(InputError) in
            let bom: [UInt8] = [0xEF, 0xBB, 0xBF]
            let body = bytes.starts(with: bom) ? bytes.dropFirst(3) : bytes[...]
            var lines: [Line] = []
            for (index, raw) in body.split(separator: newline, omittingEmptySubsequences: false).enumerated()
            {
                if let line = try parse(raw, number: index + 1, source) { lines.append(line) }
            }
            return lines
        }
    }

    private static let newline = UInt8(ascii: "\n")

    private static func parse(
        _ raw: Slice<UnsafeRawBufferPointer>, number: Int, _ source: String
    ) throws(InputError) -> Line? {
        let line = raw.last == UInt8(ascii: "\r") ? raw.dropLast() : raw
        let text = line.drop { $0 == UInt8(ascii: " ") || (9...13).contains($0) }
        guard let first = text.first, first != UInt8(ascii: "#") else { return nil }
        let key = text.prefix { $0 != UInt8(ascii: "=") }
        guard isName(key) else {
            throw InputError(
                "\(source):\(number): not a variable; KEY=VALUE is expected, the key of A-Z a-z 0-9 - _ . "
                    + "and not starting with a digit")
        }
        let value = key.endIndex < text.endIndex ? text[(key.endIndex + 1)...] : nil
        return Line(
            number: number, key: String(decoding: key, as: UTF8.self),
            value: value.map { SharedSecret(copying: $0) })
    }

    private static func isName(_ key: Slice<UnsafeRawBufferPointer>) -> Bool {
        guard let first = key.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else {
            return false
        }
        return key.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"),
                UInt8(ascii: "."):
                true
            default: false
            }
        }
    }
}
