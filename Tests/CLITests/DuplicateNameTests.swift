import Cryptography
import Envelope
import TestSupport
import Testing

@testable import CLI

/// Two WrappedSecrets of one name and namespace: `kubectl apply` would keep only the last, and no command can select one.
struct DuplicateNameTests {
    private let keys: FakeKeyManager

    init() throws { keys = try FakeKeyManager() }

    private func check(_ metadata: [String], namespace: String? = nil) async -> String? {
        let manifest = metadata.map {
            "apiVersion: v1\nkind: Secret\nmetadata: {\($0)}\nstringData: {a: b}\n"
        }
        .joined(separator: "---\n")
        return await errorMessage { () async throws(InputError) in
            let wrapper = SecretWrapper(keys: keys.keyRing, scope: .strict, namespace: namespace)
            var prepared: [SecretWrapper.Prepared] = []
            for secret in try SecretManifestReader.secrets(in: secretBytes(manifest), source: "s.yaml") {
                prepared.append(try wrapper.prepare(secret))
            }
            try SecretWrapper.checkNames(of: prepared)
        }
    }

    @Test func wrapRefusesTwoSecretsOfOneName() async {
        #expect(
            await check(["name: db, namespace: p", "name: web, namespace: p", "name: db, namespace: p"])
                == "s.yaml:11:1: Secret p/db is also at s.yaml:1:1, and kubectl apply would keep only the last one; rename one "
                + "or leave it out")
        #expect(await check(["name: db", "name: db, namespace: p"], namespace: "p") != nil)
        #expect(await check(["name: db, namespace: p", "name: db, namespace: q"]) == nil)
    }

    private func file(_ namespaces: [String?]) throws -> WrappedSecretFile {
        let text = namespaces.map { namespace in
            """
            apiVersion: secrets-bridge.io/v1alpha1
            kind: WrappedSecret
            metadata: {name: db\(namespace.map { ", namespace: \($0)" } ?? "")}
            spec: {format: v1, scope: strict, mac: AA==, recipients: [{keyID: "local:x", wrappedKey: AA==}]}

            """
        }.joined(separator: "---\n")
        return try WrappedSecretFile(
            path: "f.yaml", contents: SharedSecret(copying: text.utf8), stamp: nil)
    }

    private func message(_ namespaces: [String?], namespace: String? = "p") throws -> String? {
        let file = try file(namespaces)
        do throws(InputError) {
            _ = try file.index(named: "db", namespace: namespace)
            return nil
        } catch {
            return error.description
        }
    }

    @Test func theSelectionNamesTheLinesOfBoth() throws {
        #expect(
            try message(["p", "p", "q"])
                == "f.yaml: contains 2 WrappedSecrets p/db, at the lines 1, 6, of which kubectl apply keeps only the last; rename "
                + "or remove the others")
        #expect(try message([nil, nil, "q"])?.contains("2 WrappedSecrets p/db, at the lines 1, 6,") == true)
        #expect(try message(["p", "q"]) == nil)
        #expect(try message(["q", "r"])?.contains("select one with --name and --namespace") == true)
    }

    @Test func prefersTheOneThatNamesTheNamespace() throws {
        #expect(try file([nil, "p"]).index(named: "db", namespace: "p") == 1)
        #expect(try file(["p", nil]).index(named: "db", namespace: "p") == 0)
        #expect(try file([nil, "p"]).index(named: "db", namespace: "q") == 0)
        #expect(
            try message([nil, "p"], namespace: nil)?.contains("select one with --name and --namespace")
                == true)
    }
}
