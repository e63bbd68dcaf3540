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

        /// What of the value other readers of such files would leave out, in words that follow its name; none is a
        /// mistake to kubectl.
        var notes: [String] {
            value?.bytes.withUnsafeBytes { value in
                var notes: [String] = []
                if let first = value.first, first == UInt8(ascii: "\"") || first == UInt8(ascii: "'") {
                    notes.append("keeps its quotes, as with kubectl; remove them if they are not part of it")
                }
                if ManifestFile.contains(Array(" #".utf8), in: value) {
                    notes.append(
                        "keeps what stands after #, as with kubectl; a comment takes a line of its own")
                }
                if let last = value.last, last == UInt8(ascii: " ") || last == UInt8(ascii: "\t") {
                    notes.append("ends in blanks, which are part of it, as with kubectl")
                }
                return notes
            } ?? []
        }
    }

    static func lines(_ contents: SharedSecret, source: String) throws(InputError) -> [Line] {
        let isUTF16 = contents.bytes.withUnsafeBytes { bytes in
            bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF])
        }
        guard !isUTF16 else { throw InputError(source, "is UTF-16; save it as UTF-8") }
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
            throw InputError("\(source):\(number): \(problem(of: text))")
        }
        let value = key.endIndex < text.endIndex ? text[(key.endIndex + 1)...] : nil
        return Line(
            number: number, key: String(decoding: key, as: UTF8.self),
            value: value.map { SharedSecret(copying: $0) })
    }

    private static func problem(of line: Slice<UnsafeRawBufferPointer>) -> String {
        if line.starts(with: "export ".utf8) {
            return "export is a command of the shell; KEY=VALUE is expected, as with kubectl: leave it out"
        }
        for marker in ["<<<<<<<", ">>>>>>>", "======="] where line.starts(with: marker.utf8) {
            return "\(marker) is a conflict marker of git; resolve the merge, and remove the markers"
        }
        return
            "not a variable; KEY=VALUE is expected, the key of A-Z a-z 0-9 - _ . and not starting with a digit"
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
