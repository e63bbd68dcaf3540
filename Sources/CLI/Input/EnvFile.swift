import Cryptography
import Envelope
import JSON
import System
import YAML

/// The format of `--from-env-file`: UTF-8, one variable a line, `#` comments, neither quoting nor escapes; the text
/// after `=` is the value. The behaviour was compared with kubectl 1.36.
enum EnvFile {
    struct Line: Sendable {
        let number: Int
        let key: String
        /// The value, or nil if the line has no `=`.
        let value: SharedSecret?

        /// Notes on parts of the value that other readers of such files drop, to follow the value's name. kubectl
        /// accepts all.
        var notes: [String] {
            value?.bytes.withUnsafeBytes { value in
                var notes: [String] = []
                if let first = value.first, first == UInt8(ascii: "\"") || first == UInt8(ascii: "'") {
                    notes.append("keeps its quotes, as with kubectl; remove them if they are not part of it")
                }
                if ManifestFile.contains(Array(" #".utf8), in: value) {
                    notes.append(
                        "keeps the text after #, as with kubectl; put a comment on its own line")
                }
                if let last = value.last, last == UInt8(ascii: " ") || last == UInt8(ascii: "\t") {
                    notes.append("ends with white space, which is kept, as with kubectl")
                }
                return notes
            } ?? []
        }
    }

    static func lines(_ contents: SharedSecret, source: String) throws(InputError) -> [Line] {
        guard contents.bytes.withUnsafeBytes({ TextEncoding.utf16Encoding($0) }) == nil else {
            throw InputError(source, "is UTF-16; save it as UTF-8")
        }
        guard SecretText(contents) != nil else {
            throw InputError(
                source, "is not UTF-8; KEY=VALUE lines are expected (binary values: --from-file)")
        }
        return try contents.bytes.withUnsafeBytes { bytes throws(InputError) in
            let bom: [UInt8] = [0xEF, 0xBB, 0xBF]
            let body = bytes.starts(with: bom) ? bytes.dropFirst(3) : bytes[...]
            var lines: [Line] = []
            let rawLines = body.split(separator: newline, omittingEmptySubsequences: false)
            try rejectMultilineValues(rawLines, source)
            for (index, raw) in rawLines.enumerated() {
                guard let line = try parse(raw, number: index + 1, source) else { continue }
                let previous = index > 0 ? rawLines[index - 1] : body[..<body.startIndex]
                guard !endsBase64(raw, after: previous) else {
                    throw InputError(
                        "\(source):\(index + 1)",
                        "the line looks like the end of a value in base64; values over several lines need --from-file"
                    )
                }
                guard lines.count < EnvelopeValidation.maximumEntries else {
                    throw InputError(
                        "\(source):\(index + 1)",
                        "a Secret has at most \(EnvelopeValidation.maximumEntries) entries")
                }
                lines.append(line)
            }
            return lines
        }
    }

    private static let newline = UInt8(ascii: "\n")

    private static func parse(
        _ raw: Slice<UnsafeRawBufferPointer>, number: Int, _ source: String
    ) throws(InputError) -> Line? {
        let line = raw.last == UInt8(ascii: "\r") ? raw.dropLast() : raw
        let text = line.drop(while: isBlank)
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

    /// Refuses a quoted value that continues on the next lines, as other readers of such files allow: its parts would
    /// become the names of entries.
    private static func rejectMultilineValues(
        _ lines: [Slice<UnsafeRawBufferPointer>], _ source: String
    ) throws(InputError) {
        // The last lines that may end such a value, or continue it.
        var lastEnd: [UInt8: Int] = [:]
        var lastOther = -1
        for (index, line) in lines.enumerated() {
            let text = trimmed(line)
            guard let first = text.first, let last = text.last else { continue }
            lastEnd[last] = index
            let key = text.prefix { $0 != UInt8(ascii: "=") }
            if first != UInt8(ascii: "#"), !isName(key) || key.endIndex == text.endIndex { lastOther = index }
        }
        for (index, line) in lines.enumerated() {
            let text = trimmed(line)
            let key = text.prefix { $0 != UInt8(ascii: "=") }
            guard isName(key), let quote = openQuote(of: text[key.endIndex...].dropFirst()),
                index < lastOther || index < lastEnd[quote] ?? -1
            else { continue }
            throw InputError(
                "\(source):\(index + 1)",
                "the value of \(String(decoding: key, as: UTF8.self)) begins with a quote that does not end on this line; "
                    + "values over several lines need --from-file")
        }
    }

    /// Returns true if a line looks like the last one of a value that openssl or base64 has wrapped, whose padding is no `=` of a
    /// variable.
    private static func endsBase64(
        _ line: Slice<UnsafeRawBufferPointer>, after previous: Slice<UnsafeRawBufferPointer>
    ) -> Bool {
        let text = trimmed(line)
        let key = text.prefix { $0 != UInt8(ascii: "=") }
        let padding = text.count - key.count
        guard padding == 1 || padding == 2, text.last == UInt8(ascii: "="), text.count.isMultiple(of: 4),
            key.allSatisfy(\.isASCIILetterOrDigit)
        else { return false }
        let isMixed =
            key.contains(where: \.isASCIIUppercase) && key.contains(where: \.isASCIILowercase)
            && key.contains(where: \.isASCIIDigit)
        let before = trimmed(previous).suffix(60)
        return isMixed
            || before.count == 60 && before.allSatisfy { $0.isASCIILetterOrDigit || "+/".utf8.contains($0) }
    }

    /// Returns the quote that begins a value and does not end in it. A comment may follow the end.
    private static func openQuote(of value: Slice<UnsafeRawBufferPointer>) -> UInt8? {
        guard let quote = value.first, quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else {
            return nil
        }
        var rest = value.dropFirst()
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") { _ = rest.popFirst() }
            guard byte == quote else { continue }
            let after = rest.drop(while: isBlank)
            if after.isEmpty || after.first == UInt8(ascii: "#") { return nil }
        }
        return quote
    }

    private static func trimmed(_ line: Slice<UnsafeRawBufferPointer>) -> Slice<UnsafeRawBufferPointer> {
        var line = line.drop(while: isBlank)
        while let last = line.last, isBlank(last) { line = line.dropLast() }
        return line
    }

    private static func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || (9...13).contains(byte)
    }

    private static func problem(of line: Slice<UnsafeRawBufferPointer>) -> String {
        if line.starts(with: "export ".utf8) {
            return "export is a shell command; KEY=VALUE is expected, as with kubectl; remove it"
        }
        for marker in ["<<<<<<<", ">>>>>>>", "======="] where line.starts(with: marker.utf8) {
            return "\(marker) is a conflict marker of git; resolve the merge, and remove the markers"
        }
        return
            "not a variable; KEY=VALUE is expected, with a key of A-Z a-z 0-9 - _ . that does not start with a digit"
    }

    private static func isName(_ key: Slice<UnsafeRawBufferPointer>) -> Bool {
        key.first?.isASCIIDigit == false
            && key.allSatisfy { $0.isASCIILetterOrDigit || "_-.".utf8.contains($0) }
    }
}
