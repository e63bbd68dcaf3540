import Cryptography
import Envelope
import Foundation
import KMS
import TestSupport
import Testing

@testable import CLI

/// The reports of `verify` for code scanning and for CI servers.
struct VerifyReportTests {
    private let key: FakeKeyManager
    private let folder: TemporaryFolder

    init() throws {
        key = try FakeKeyManager()
        folder = try TemporaryFolder()
    }

    private func wrapped(_ name: String = "db") async throws -> String {
        let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: \(name)}\nstringData: {pw: \(canary)}\n"
        let input = try SecretManifestReader.secrets(in: secretBytes(secret), source: "x")
        let wrapper = SecretWrapper(keys: key.keyRing, scope: .strict, namespace: "payments")
        return yaml(try await wrapper.wrap(input[0]).manifest)
    }

    private func verify(_ paths: [String], _ keys: KeyRing? = nil) async -> Verification.Report {
        await Verification(keys: keys, namespace: nil).verify(
            WrappedSecretFiles(reading: paths, .init(allowsNone: false, allowsPlaintext: false)))
    }

    /// Writes one valid WrappedSecret and each kind of problem.
    private func report() async throws -> Verification.Report {
        let damaged = try await wrapped("two").replacing("scope: strict", with: "scope: wide")
        let paths = [
            try folder.write("a b/db.yaml", try await wrapped()),
            try folder.write("two.yaml", "# one\n" + damaged),
            try folder.write(
                "plain.yaml", "kind: Secret\napiVersion: v1\nmetadata: {name: x}\ndata: {a: Yg==}\n"),
            folder.path("nowhere.yaml"),
        ]
        return await verify(paths)
    }

    private func number(_ value: AnyJSON?) -> Int? {
        if case .int(let number) = value { number } else { nil }
    }

    private func results(_ report: Verification.Report) throws -> [AnyJSON] {
        let log = try json(report.sarif(version: "1.2.3", folder: folder.path))
        return try #require(log["runs"]?.items?.first?["results"]?.items)
    }

    @Test func hasTheRequiredPropertiesOfSARIF() async throws {
        let log = try json(try await report().sarif(version: "1.2.3", folder: folder.path))
        #expect(log["version"]?.string == "2.1.0")
        #expect(log["$schema"]?.string == "https://json.schemastore.org/sarif-2.1.0.json")
        let driver = log["runs"]?.items?.first?["tool"]?["driver"]
        #expect(driver?["name"]?.string == "secrets-bridge")
        #expect(driver?["version"]?.string == "1.2.3")
        let rules = try #require(driver?["rules"]?.items).compactMap { $0["id"]?.string }
        #expect(Set(rules).count == 6)
        for result in try results(try await report()) {
            let id = try #require(result["ruleId"]?.string)
            #expect(number(result["ruleIndex"]).map { rules[$0] } == id)
            #expect(result["message"]?["text"]?.string?.isEmpty == false)
            #expect(["error", "note"].contains(result["level"]?.string))
        }
    }

    @Test func namesRulePathAndLineOfEachProblem() async throws {
        let found = try results(try await report()).map { result in
            let place = result["locations"]?.items?.first?["physicalLocation"]
            let line = number(place?["region"]?["startLine"])
            return
                "\(result["ruleId"]?.string ?? "") \(place?["artifactLocation"]?["uri"]?.string ?? "") \(line ?? 0)"
        }
        #expect(
            Set(found) == [
                "invalid-wrapped-secret two.yaml 2", "unencrypted-secret plain.yaml 1",
                "unreadable-file nowhere.yaml 0",
            ])
    }

    @Test func tellsADecryptionFailureFromAnInvalidWrappedSecret() async throws {
        let other = try FakeKeyManager(seed: 9)
        let report = await verify([try folder.write("db.yaml", try await wrapped())], other.keyRing)
        #expect(try results(report).map { $0["ruleId"]?.string } == ["decryption-failed"])
    }

    @Test func keepsTheFingerprintWhenLinesAreAdded() async throws {
        let damaged = try await wrapped().replacing("scope: strict", with: "scope: wide")
        func fingerprint(_ text: String) async throws -> String? {
            let report = await verify([try folder.write("db.yaml", text)])
            return try results(report).first?["partialFingerprints"]?["secretsBridge/v1"]?.string
        }
        let first = try await fingerprint(damaged)
        #expect(first?.count == 64)
        #expect(try await fingerprint("# a line\n" + damaged) == first)
    }

    @Test(arguments: [
        ("a b/ä.yaml", "a%20b/%C3%A4.yaml"), ("./x.yaml", "x.yaml"), ("c:d.yaml", "c%3Ad.yaml"),
        ("/repo/x.yaml", "x.yaml"), ("/other/x.yaml", "file:///other/x.yaml"),
        ("../x\n.yaml", "../x%0A.yaml"),
    ])
    func encodesPathsAsURIs(path: String, uri: String) {
        #expect(ArtifactURI.uri(of: path, in: "/repo") == uri)
    }

    @Test func hasATestCaseForEachWrappedSecret() async throws {
        let junit = try await report().junit
        #expect(
            junit.hasPrefix(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"4\" failures=\"1\" errors=\"2\""
            ))
        #expect(junit.contains("name=\"payments/db\" file=\"\(folder.path)/a b/db.yaml\" line=\"1\"/>"))
        #expect(junit.contains("<failure type=\"invalid-wrapped-secret\""))
        #expect(junit.contains("<error type=\"unencrypted-secret\""))
        #expect(!junit.contains(canary))
        let parser = XMLText.escape(junit)
        #expect(!parser.contains("<"))
    }

    @Test func escapesMarkupAndControlCharacters() {
        #expect(
            XMLText.escape("<a b='c'>&\"\u{1}\n\u{FFFE}\u{202E}")
                == "&lt;a b=&apos;c&apos;&gt;&amp;&quot;\\u{01}\\n\\u{FFFE}\\u{202E}")
    }

    @Test func keepsTheResultOfWrappedSecretsWithoutProblems() async throws {
        let report = await verify([try folder.write("db.yaml", try await wrapped())], key.keyRing)
        #expect(try results(report).isEmpty)
        #expect(report.junit.contains("tests=\"1\" failures=\"0\" errors=\"0\""))
    }
}
