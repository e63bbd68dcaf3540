import Cryptography
import Envelope
import Foundation
import System
import TestSupport
import Testing

@testable import Resources

/// The templates of a Secret with values: filters, limits, memory.
@Suite struct TemplateDataTests {
    private func reason(_ templates: [String: String], _ values: [String: String]) -> Reason? {
        do throws(SpecError) {
            _ = try TemplateData(templates, entries: Array(values.keys)).rendered(
                with: templateEntries(values))
            return nil
        } catch {
            return error.reason
        }
    }

    @Test func addsRenderedKeysToTheEntriesInByteOrder() throws {
        let templates = try TemplateData(
            ["b.conf": "b={{ .c }}", "A": "{{ .a | base64 }}"], entries: ["a", "c"])
        let all = try templates.rendered(with: templateEntries(["a": "1", "c": "3"]))
        #expect(all.map(\.name) == ["A", "a", "b.conf", "c"])
        #expect(
            all.map { String(decoding: $0.value.bytes.revealed(), as: UTF8.self) } == [
                "MQ==", "1", "b=3", "3",
            ])
        #expect(templates.keys == ["A", "b.conf"])
    }

    @Test func hasNoHashWithoutTemplates() throws {
        #expect(try TemplateData(nil, entries: []).hash == nil)
        #expect(try TemplateData([:], entries: []).hash == nil)
        #expect(try TemplateData([:], entries: []).rendered(with: []).isEmpty)
    }

    @Test func changesTheHashWithEachKeyAndText() throws {
        let all: [[String: String]] = [
            ["a": "b"], ["a": "bb"], ["ab": "b"], ["a": "b", "c": "d"], ["a": "", "b": ""], ["a": ""],
        ]
        let hashes = try all.map { try TemplateData($0, entries: []).hash }
        #expect(Set(hashes).count == all.count)
    }

    @Test(arguments: ["", ".", "..", "..a", "a/b", "a b", "ü", String(repeating: "a", count: 254)])
    func refusesAKeyThatASecretCannotHave(key: String) {
        #expect(reason([key: "x"], [:]) == .invalidSpec)
    }

    @Test func refusesAKeyThatIsAnEntry() {
        let refusal = refusal(.init(data: ["password": "{{ .password }}"]))
        #expect(refusal?.reason == .invalidSpec)
        #expect(refusal?.message.contains("[password] has the name of an entry") == true)
    }

    @Test func refusesMorePartsThanTheLimit() {
        let text = String(repeating: "x{{.a}}", count: TemplateData.maximumParts / 4)
        #expect(reason(["b": text, "c": text], ["a": ""]) == nil)
        #expect(reason(["b": text, "c": text, "d": "x"], ["a": ""]) == .invalidSpec)
    }

    @Test func refusesMoreTemplatesThanTheLimit() {
        func templates(_ count: Int) -> [String: String] {
            Dictionary(uniqueKeysWithValues: (0..<count).map { ("k\($0)", "") })
        }
        #expect(reason(templates(64), [:]) == nil)
        #expect(reason(templates(65), [:]) == .invalidSpec)
    }

    // MARK: filters

    @Test(arguments: [
        "", "a", "\u{0}\u{1F}\"\\/\u{7F}", "grüße", "😀", "\u{FEFF}\u{2028}\u{85}\u{202E}", "a\r\n\tb",
    ])
    func quotesTextThatJSONReadsBack(text: String) throws {
        for filter in ["json", "quote"] {
            let quoted = try rendered("[{{ .a | \(filter) }}]", ["a": text])
            #expect(try JSONDecoder().decode([String].self, from: Data(quoted.utf8)) == [text], "\(filter)")
        }
        let quoted = try rendered("{{ .a | quote }}", ["a": text])
        #expect(
            quoted.unicodeScalars.allSatisfy {
                $0.value >= 0x20 && ![0x7F, 0x85, 0x2028, 0xFEFF].contains($0.value)
            })
    }

    @Test(arguments: ["json", "quote"]) func refusesToQuoteBytesThatAreNotUTF8(filter: String) throws {
        let entries = [SecretEntry(name: "a", value: SharedSecret(copying: [0x61, 0xFF]))]
        let templates = try TemplateData(["k": "x {{ .a | \(filter) }}"], entries: ["a"])
        let error = #expect(throws: SpecError.self) { try templates.rendered(with: entries) }
        #expect(
            error?.message
                == "spec.template.data[k] line 1 column 3: \(filter) of entry a: the value is not UTF-8 text; use base64 for "
                + "other values")
    }

    @Test func keepsBytesThatAreNotUTF8WithoutFilters() throws {
        let bytes = [UInt8](0...255)
        let entries = [SecretEntry(name: "a", value: SharedSecret(copying: bytes))]
        let templates = try TemplateData(
            ["k": "{{ .a }}", "l": "{{ .a | base64 | base64decode }}"], entries: ["a"])
        let all = try templates.rendered(with: entries)
        #expect(all.map { $0.value.bytes.revealed() } == [bytes, bytes, bytes])
    }

    @Test(arguments: ["canary-7f3a", "a", "YQ", "YQ=", "Y Q==", "YQ==YQ==", "=", "YW_="])
    func namesThePlaceOfAValueThatIsNotBase64(value: String) throws {
        let refusal = try #require(templateRefusal("\n {{ .password | base64decode }}", ["password": value]))
        #expect(
            refusal.contains(
                "[result.conf] line 2 column 2: base64decode of entry password: the value is not base64"))
        #expect(value.count < 4 || !refusal.contains(value))
    }

    // MARK: limits

    private let half = String(repeating: "a", count: SecretLimits.maximumPlaintextBytes / 2)

    @Test func countsTheEntriesWithTheRenderedKeys() {
        #expect(reason(["k": "{{ .a }}"], ["a": half]) == nil)
        #expect(reason(["k": "{{ .a }}x"], ["a": half]) == .tooLarge)
        #expect(reason(["k": "x{{ .a }}"], ["a": half]) == .tooLarge)
        #expect(reason(["j": "", "k": "{{ .a }}", "l": "x"], ["a": half]) == .tooLarge)
    }

    @Test(arguments: [
        "base64", "json", "quote", "indent 64", "json | json | json", "indent 64 | indent 64 | quote",
    ])
    func stopsFiltersThatGrowBeyondTheLimit(filters: String) {
        let value = String(repeating: "\n\u{1}", count: 400_000)
        #expect(reason(["k": "{{ .a | \(filters) }}"], ["a": value]) == .tooLarge)
    }

    /// Each reference alone is small, and renders to nothing.
    @Test func boundsTheWorkOfManyReferences() {
        let decode = "{{ .a | base64decode }}"
        let count = SecretTemplate.maximumBytes / decode.utf8.count
        let value = String(repeating: "\n", count: 500_000)
        let start = ContinuousClock.now
        #expect(reason(["k": String(repeating: decode, count: count)], ["a": value]) == .tooLarge)
        #expect(start.duration(to: .now) < .seconds(20))
    }

    @Test func estimatesAtLeastTheRenderedSize() throws {
        var random = SeededGenerator(7)
        for _ in 0..<200 {
            let made = RandomTemplate(&random)
            let templates = try TemplateData(["k": made.text], entries: Array(made.values.keys))
            let entries = templateEntries(made.values)
            let size = entries.reduce(0) { $0 + $1.value.count }
            let result = try templates.rendered(with: entries).first { $0.name == "k" }
            #expect(
                try #require(result).value.count <= templates.maximumRenderedBytes(plaintextByteCount: size))
        }
    }

    // MARK: random templates

    @Test func rendersRandomTemplatesAsAModelDoes() throws {
        var random = SeededGenerator(1)
        for index in 0..<2000 {
            let made = RandomTemplate(&random)
            #expect(
                try rendered(made.text, made.values) == made.expected,
                "\(index): \(made.text.debugDescription)")
        }
    }

    /// Whatever bytes change, a template renders within the limits or is refused in one line, and nothing crashes.
    @Test func survivesMutatedTemplates() throws {
        var random = SeededGenerator(2)
        let pieces = [
            "{{", "}}", "{{-", "-}}", "\"", "|", ".", "index", " ", "\n", "(", "`", "indent 9", "\\", "$",
            "\u{0}", "ü", "/*",
        ]
        var acceptedCount = 0
        for _ in 0..<5000 {
            let made = RandomTemplate(&random)
            var bytes = Array(made.text.utf8)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0...bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0:
                    bytes.insert(
                        contentsOf: Array(try #require(pieces.randomElement(using: &random)).utf8), at: place)
                case 1: if place < bytes.count { bytes.remove(at: place) }
                default: if place < bytes.count { bytes[place] = UInt8.random(in: 0...127, using: &random) }
                }
            }
            let text = String(decoding: bytes, as: UTF8.self)
            if let refusal = templateRefusal(text, made.values) {
                #expect(!refusal.contains("\n"), "\(refusal)")
                #expect(!refusal.contains("canary"), "\(refusal)")
            } else {
                acceptedCount += 1
            }
            if let translated = try? SecretTemplate.translating(sealedSecrets: text) {
                #expect((try? SecretTemplate(translated)) != nil, "\(translated.debugDescription)")
            }
        }
        #expect(acceptedCount > 500)
    }

    // MARK: memory

    @Test func zeroesEveryIntermediateValue() throws {
        let templates = try TemplateData(
            ["k": "{{ .a | json | base64 | base64decode | indent 3 | quote }}"], entries: ["a"])
        let released = ReleasedMemory.during {
            _ = try? templates.rendered(with: templateEntries(["a": "canary-7f3a"]))
        }
        #expect(released.count > 6)
        #expect(released.allSatisfy { $0.isZero })
    }
}

/// A random template with the text that it has to render to, which functions of `String` compute.
private struct RandomTemplate {
    private(set) var text = ""
    private(set) var expected = ""
    private(set) var values: [String: String] = [:]

    private static let names = ["password", "_u", "tls.crt", "a-b", "9", "-", "index"]
    private static let texts = [
        "", "a", "text", "{", "}", "} }", "ü\n", "  ", "\t\n", "\n\n", "x: \"y\"", "{\n{", "|",
    ]
    private static let contents = [
        "", "canary", "a\nb\n", "q\"\\", "ü😀", "\u{1}\u{7F}", "{{ .password }}", "\r\n", "  x  ",
    ]

    init(_ random: inout SeededGenerator) {
        for name in Self.names { values[name] = Self.contents.randomElement(using: &random) ?? "" }
        /// The literal text since the last action, not yet trimmed.
        var pending = ""
        var trimsStart = false
        func isSpace(_ scalar: Unicode.Scalar) -> Bool { " \t\r\n".unicodeScalars.contains(scalar) }
        func flush(trimsEnd: Bool) {
            var scalars = Array(pending.unicodeScalars)
            if trimsStart { scalars = Array(scalars.drop(while: isSpace)) }
            if trimsEnd { while let last = scalars.last, isSpace(last) { scalars.removeLast() } }
            for scalar in scalars { expected.unicodeScalars.append(scalar) }
            pending = ""
        }
        for _ in 0..<Int.random(in: 0...6, using: &random) {
            let literal = Self.texts.randomElement(using: &random) ?? ""
            // An opening brace must not meet the braces of an action.
            let safe = literal.hasSuffix("{") ? literal + " " : literal
            text += safe
            pending += safe
            guard Bool.random(using: &random) else { continue }
            let (before, after) = (Bool.random(using: &random), Bool.random(using: &random))
            flush(trimsEnd: before)
            trimsStart = after
            let (action, result) = Self.action(values, &random)
            var source = action
            if before || Bool.random(using: &random) { source = " " + source }
            if after || Bool.random(using: &random) { source += " " }
            text += "{{\(before ? "-" : "")\(source)\(after ? "-" : "")}}"
            expected += result
        }
        flush(trimsEnd: false)
    }

    private static func action(_ values: [String: String], _ random: inout SeededGenerator) -> (
        String, String
    ) {
        guard Int.random(in: 0..<8, using: &random) > 0 else { return ("\"{{\"", "{{") }
        let name = names.randomElement(using: &random) ?? "password"
        var source =
            name == "password" || name == "_u" || name == "index" ? ".\(name)" : "index . \"\(name)\""
        if name == "password", Bool.random(using: &random) { source = "index  .\n\"password\"" }
        var value = values[name] ?? ""
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            switch Int.random(in: 0..<4, using: &random) {
            case 0:
                source += " | base64"
                value = Data(value.utf8).base64EncodedString()
            case 1:
                source += "|base64 | base64decode"
            case 2:
                source += "\t| json"
                value = jsonString(value)
            default:
                let count = Int.random(in: 0...64, using: &random)
                source += " | indent \(count)"
                let pad = String(repeating: " ", count: count)
                value = pad + value.unicodeScalars.map { $0 == "\n" ? "\n" + pad : String($0) }.joined()
            }
        }
        return (source, value)
    }

    private static func jsonString(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20: result += String(format: "\\u%04x", scalar.value)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
