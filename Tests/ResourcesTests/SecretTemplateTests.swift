import Cryptography
import Envelope
import Foundation
import TestSupport
import Testing

@testable import Resources

/// Returns entries with these values.
func templateEntries(_ values: [String: String]) -> [SecretEntry] {
    values.sorted { $0.key < $1.key }.map {
        SecretEntry(name: $0.key, value: SharedSecret(copying: $0.value.utf8))
    }
}

/// Returns what a template renders to, as text.
func rendered(_ template: String, _ values: [String: String]) throws -> String {
    let templates = try TemplateData(["result.conf": template], entries: Array(values.keys))
    let all = try templates.rendered(with: templateEntries(values))
    let result = try #require(all.first { $0.name == "result.conf" })
    return String(decoding: result.value.bytes.revealed(), as: UTF8.self)
}

/// Returns the message that refuses a template or a value, or nil if it renders.
func templateRefusal(_ template: String, _ values: [String: String] = ["password": "canary-7f3a"]) -> String?
{
    do {
        _ = try rendered(template, values)
        return nil
    } catch {
        return "\(error)"
    }
}

/// The language of templates: what it accepts, what that means, and what it refuses.
@Suite struct SecretTemplateTests {
    struct Vectors: Decodable {
        struct Vector: Decodable, Sendable, CustomTestStringConvertible {
            let template: String
            let result: String?
            let translation: String?

            var testDescription: String { template }
        }

        let entries: [String: String]
        let vectors: [Vector]
        let sealedSecrets: [Vector]

        static let all: Vectors? = {
            guard let file = try? ResourcesTests.Vectors.file("templates/go.json") else { return nil }
            return try? JSONDecoder().decode(Vectors.self, from: Data(file.revealed()))
        }()
    }

    @Test func hasVectors() throws {
        let all = try #require(Vectors.all)
        #expect(all.vectors.count > 100)
        #expect(all.sealedSecrets.count > 30)
    }

    @Test(arguments: Vectors.all?.vectors ?? []) func rendersAsGoDoesOrRefuses(vector: Vectors.Vector) throws
    {
        let entries = try #require(Vectors.all).entries
        #expect((try? rendered(vector.template, entries)) == vector.result)
    }

    @Test(arguments: Vectors.all?.sealedSecrets ?? []) func translatesTemplatesOfSealedSecrets(
        vector: Vectors.Vector
    ) throws {
        let entries = try #require(Vectors.all).entries
        let translation = try? SecretTemplate.translating(sealedSecrets: vector.template)
        #expect(translation == vector.translation)
        guard let translation else { return }
        #expect((try? rendered(translation, entries)) == vector.result)
    }

    @Test(arguments: [
        ("{{ .passwrod }}", "line 1 column 1: there is no entry passwrod; spec.data has password"),
        ("a\nbü {{ .password | upper }}", "line 2 column 19: there is no filter upper"),
        ("{{ .password | b64enc }}", "there is no filter b64enc; it is called base64 here"),
        ("{{ base64 .password }}", "a filter follows its entry"),
        ("{{ .password | indent }}", "line 1 column 16: indent needs a number"),
        ("{{ .password | indent 010 }}", "line 1 column 16: indent needs a number"),
        ("{{ .password | indent 65 }}", "indent needs a number of spaces from 0 to 64"),
        ("{{ .password | indent 99999999999999999999 }}", "indent needs a number"),
        ("{{ .tls.crt }}", "line 1 column 4: a name with other characters"),
        ("{{ if .password }}x{{ end }}", "line 1 column 4: if is not supported"),
        ("{{ range . }}", "range is not supported"), ("{{ template \"x\" }}", "template is not supported"),
        ("{{ printf \"x\" }}", "there is no function printf"), ("{{ env }}", "there is no function env"),
        ("{{ $x }}", "variables are not supported"), ("{{ (.password) }}", "parentheses are not supported"),
        ("{{/* x */}}", "comments are not supported"), ("{{ . }}", "the name of an entry is expected"),
        ("\n\n  {{ .password", "line 3 column 3: {{ is not closed"), ("{{", "{{ is not closed"),
        ("{{ \"a\\n\" }}", "has no escapes"), ("{{ \"a", "the quotation mark is not closed"),
        ("{{ index . \"../other/db\" }}", "this is not the name of an entry"),
        ("{{ index .Values \"a\" }}", "one entry by its name is expected after index"),
        ("{{ .password | base64 base64 }}", "an entry is expected"),
    ])
    func refusesOtherFormsWithTheirPlace(template: String, message: String) throws {
        let refusal = try #require(templateRefusal(template))
        #expect(refusal.hasPrefix("spec.template.data[result.conf] line "), "\(refusal)")
        #expect(refusal.contains(message), "\(refusal)")
        #expect(!refusal.contains("\n"), "\(refusal)")
    }

    @Test func acceptsSixteenFiltersOfAReferenceAndRefusesMore() {
        func chain(_ count: Int) -> String {
            "{{ .password" + String(repeating: " | base64", count: count) + " }}"
        }
        #expect(templateRefusal(chain(16)) == nil)
        #expect(templateRefusal(chain(17))?.contains("at most 16 filters") == true)
    }

    @Test func refusesAForeignNameOfAnyLengthWithAShortMessage() {
        let name = String(repeating: "x", count: 60_000)
        #expect(templateRefusal("{{ .password | \(name) }}").map { $0.utf8.count < 400 } == true)
        #expect(templateRefusal("{{ \(name) }}").map { $0.utf8.count < 400 } == true)
    }

    @Test func refusesATemplateThatIsLongerThanTheLimit() {
        #expect(templateRefusal(String(repeating: "a", count: SecretTemplate.maximumBytes)) == nil)
        let refusal = templateRefusal(String(repeating: "a", count: SecretTemplate.maximumBytes + 1))
        #expect(refusal?.contains("65536 at most are expected") == true)
    }

    /// A translation of a template without references is the text itself.
    @Test(arguments: ["", "a", "{", "}}", "a\n\tb {} ü"]) func keepsTextInATranslation(text: String) throws {
        #expect(try SecretTemplate.translating(sealedSecrets: text) == text)
        #expect(try rendered(text, [:]) == text)
    }
}
