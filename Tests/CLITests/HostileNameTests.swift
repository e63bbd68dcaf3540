import Cryptography
import Envelope
import Foundation
import KMS
import Resources
import System
import TestSupport
import Testing
import YAML

@testable import CLI

private let fields = ["apiVersion", "kind", "name", "namespace", "scope", "keyID", "entry"]

/// Names out of files with line breaks, escape sequences and bidirectional controls: a message stays one line, and a
/// terminal obeys none of them.
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

    /// A WrappedSecret in which each name in turn is hostile.
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
    func commandsThatOpenADocument(field: String) async throws {
        try folder.write("a.yaml", manifest(field))
        let path = folder.path("a.yaml")
        let ring = KeyRing(primary: key)
        let message = await errorMessage { () throws(InputError) in
            _ = try await OpenedDocument(
                try WrappedSecretFile(reading: path), named: nil, namespace: nil, with: ring)
        }
        expectOneLine(message, "\(field)")
    }

    @Test func commandsThatAskWhichDocumentIsMeant() async throws {
        try folder.write("a.yaml", manifest("name") + "\n" + manifest("namespace"))
        let path = folder.path("a.yaml")
        let message = await errorMessage { () throws(InputError) in
            _ = try WrappedSecretFile(reading: path).index(named: nil, namespace: nil)
        }
        expectOneLine(message)
        #expect(message?.contains(#"x\r\ny\u{1B}[2J\u{202E}"#) == true)
    }

    @Test(arguments: fields)
    func rewrap(field: String) async throws {
        try folder.write("a.yaml", manifest(field))
        let lines = Locked<[String]>([])
        await FileRewrapper(
            keys: KeyRing(primary: key), order: .refresh, namespace: nil, isDryRun: false,
            patience: KMSRetryPolicy(attempts: 1) { _ in }
        ).rewrap([folder.path("a.yaml")]) { rows in
            for case .failed(let why) in rows.map(\.outcome) { lines.withLock { $0.append(why) } }
        }
        for line in lines.withLock({ $0 }) { expectOneLine(line, "\(field)") }
    }

    @Test(arguments: fields)
    func unwrap(field: String) async throws {
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
    func wrap(template: String) async {
        let text = template.replacing("KEY", with: Self.hostile.jsonQuoted)
        let message = await errorMessage { () throws(InputError) in
            _ = try SecretManifestReader.secrets(in: SecretBytes(copying: text.utf8), source: "a\nb")
        }
        expectOneLine(message)
    }
}
