import Cryptography
import TestSupport
import Testing
import YAML

@testable import CLI

/// Searches the memory of this process for copies of values that readers made in unprotected memory.
@Suite(.timeLimit(.minutes(5)))
struct PlaintextCopiesTests {
    private let value = SharedSecret(
        SecretBytes(count: 48) { bytes in
            for index in 0..<bytes.count {
                bytes[index] = UInt8.random(in: UInt8(ascii: "a")...UInt8(ascii: "z"))
            }
        })

    /// Returns a text with the value in place of each `%`.
    private func file(_ text: String) -> SecretBytes {
        var buffer = SecretBuffer()
        for byte in text.utf8 {
            if byte == UInt8(ascii: "%") {
                value.bytes.withUnsafeBytes { buffer.append($0) }
            } else {
                buffer.append([byte])
            }
        }
        return buffer.finish()
    }

    /// The one copy is the pattern of the search.
    private func expectNoCopy(_ location: SourceLocation = #_sourceLocation) throws {
        #expect(try ProcessMemory().copies(of: value).count == 1, sourceLocation: location)
    }

    /// Freed memory of a long text, or of many, is not reused at once.
    private static let padding = String(repeating: "x", count: 150)

    @Test func lastAppliedConfigurationIsNotCopied() throws {
        let padding = String(repeating: Self.padding, count: 200)
        let annotation =
            "kubectl.kubernetes.io/last-applied-configuration: '{\"data\":{\"a\":\"\(padding)%\"}}'"
        let text =
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  annotations:\n    \(annotation)\n    team: a\n"
        let secrets = try SecretManifestReader.secrets(
            in: file([String](repeating: text, count: 20).joined(separator: "---\n")), source: "x")
        #expect(secrets.count == 20)
        #expect(secrets.allSatisfy { $0.annotations == ["team": "a"] })
        try expectNoCopy()
    }

    @Test func searchesAFieldWithoutCopies() throws {
        let many = (0..<200).map { "a\($0): &a\($0) \(Self.padding)%\n" }.joined()
        for (text, isFound) in [
            ("a: &a %\nkind: *a\n%: Secret\n? %\n: kind\nkind: %\n", false),
            ("a: %\nb: &b Secret\nkind: *b\n", true), ("a: %\nkind: \" Secret\\L\"\n", true),
            ("- kind\n- Secret\n- %\n", false), ("a: [kind, Secret, %]\nb: {kind: Secret}\n", true),
            (many, false),
        ] {
            #expect(
                YAMLReader.contains(field: "kind", withOneOf: ["X", "Secret"], in: file(text)) == isFound,
                "\(text)")
        }
        try expectNoCopy()
    }
}
