import Cryptography
import Envelope
import Foundation
import JSON
import KMS
import Resources
import System
import TestSupport
import Testing
import YAML

@testable import CLI

private let fields = ["apiVersion", "kind", "name", "namespace", "scope", "keyID", "entry"]

/// Names from files contain line breaks, escape sequences and bidirectional controls. A message with them stays one
/// line, and a terminal interprets none of them.
struct HostileNameTests {
    private static let hostile = "x\r\ny\u{1B}[2J\u{202E}\u{85}\u{2028}z"
    private let key: LocalKeyManager
    private let folder: TemporaryFolder

    init() throws {
        key = try LocalKeyManager(master: SharedSecret(copying: [UInt8](repeating: 1, count: 32)))
        folder = try TemporaryFolder()
    }

    private func expectOneLine(_ text: String?, _ comment: Comment? = nil) {
        guard let text else {
            Issue.record("nothing was refused", sourceLocation: #_sourceLocation)
            return
        }
        #expect(!text.unicodeScalars.contains { $0.isInvisible }, comment ?? "\(text)")
    }

    /// Returns a WrappedSecret with a hostile name in one field.
    private func manifest(_ field: String) -> String {
        let hostile = Self.hostile.jsonQuoted
        func value(_ name: String, _ usual: String) -> String { name == field ? hostile : "\"\(usual)\"" }
        return """
            {"apiVersion": \(value("apiVersion", "secrets-bridge.io/v1alpha1")), "kind": \(value("kind", "WrappedSecret")),
             "metadata": {"name": \(value("name", "db")), "namespace": \(value("namespace", "payments"))},
             "spec": {"format": "v1", "scope": \(value("scope", "strict")),
              "recipients": [{"keyID": \(value("keyID", "local:1")), "wrappedKey": "AAAA"}], "mac": "BBBB",
              "data": {\(value("entry", "a")): "CCCC"}}}
            """
    }

    /// set, unset, edit, exec and rotate-value open one document of a file.
    @Test(arguments: fields)
    func opensADocumentWithAOneLineError(field: String) async throws {
        try folder.write("a.yaml", manifest(field))
        let path = folder.path("a.yaml")
        let ring = KeyRing(primary: key)
        let message = await errorMessage { () throws(InputError) in
            _ = try await OpenedDocument(
                try WrappedSecretFile(reading: path), named: nil, namespace: nil, with: ring)
        }
        expectOneLine(message, "\(field)")
    }

    @Test func escapesNamesInTheErrorForSeveralDocuments() async throws {
        try folder.write("a.yaml", manifest("name") + "\n" + manifest("namespace"))
        let path = folder.path("a.yaml")
        let message = await errorMessage { () throws(InputError) in
            _ = try WrappedSecretFile(reading: path).index(named: nil, namespace: nil)
        }
        expectOneLine(message)
        #expect(message?.contains(#"x\r\ny\u{1B}[2J\u{202E}"#) == true)
    }

    @Test(arguments: fields)
    func rewrapsWithAOneLineError(field: String) async throws {
        try folder.write("a.yaml", manifest(field))
        let lines = Locked<[String]>([])
        await FileRewrapper(
            keys: KeyRing(primary: key), strategy: .refresh, namespace: nil, isDryRun: false,
            retryPolicy: KMSRetryPolicy(attempts: 1) { _ in }
        ).rewrap([folder.path("a.yaml")]) { results in
            for case .failed(let problem) in results.map(\.outcome) { lines.withLock { $0.append(problem) } }
        }
        for line in lines.withLock({ $0 }) { expectOneLine(line, "\(field)") }
    }

    @Test(arguments: fields)
    func unwrapsWithAOneLineError(field: String) async throws {
        let unwrapping = SecretUnwrapper(keys: KeyRing(primary: key), namespace: nil)
        let text = manifest(field)
        let message = await errorMessage { () throws(InputError) in
            _ = try await unwrapping.secrets(in: SecretBytes(copying: text.utf8), source: "a")
        }
        expectOneLine(message, "\(field)")
    }

    /// wrap reads Secrets.
    @Test(arguments: [
        #"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {KEY: "%"}}"#,
        #"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {KEY: 1}}"#,
        #"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, KEY: 1}"#,
        #"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "labels": {KEY: 1}}}"#,
        #"{"apiVersion": "v1", "kind": KEY, "metadata": {"name": "a"}}"#,
    ])
    func wrapsWithAOneLineError(template: String) async {
        let text = template.replacing("KEY", with: Self.hostile.jsonQuoted)
        let message = await errorMessage { () throws(InputError) in
            _ = try SecretManifestReader.secrets(in: SecretBytes(copying: text.utf8), source: "a\nb")
        }
        expectOneLine(message)
    }
}
