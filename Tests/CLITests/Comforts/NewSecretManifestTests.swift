import Cryptography
import Testing

@testable import CLI

/// The manifest that `create` opens in the editor.
struct NewSecretManifestTests {
    private func manifest(
        _ path: String = "secrets/db.yaml", name: String? = nil, namespace: String? = "payments",
        type: String? = nil
    ) -> NewSecretManifest {
        NewSecretManifest(path: path, name: name, namespace: namespace, type: type)
    }

    private func shown(_ manifest: NewSecretManifest) -> String { text(SharedSecret(manifest.text)) ?? "" }

    private func problem(_ edited: String) -> String? {
        errorMessage { () throws(InputError) in try manifest().secret(in: secretBytes(edited)) }
    }

    @Test func takesTheNameFromTheFile() throws {
        #expect(shown(manifest()).contains("metadata:\n  name: db\n  namespace: payments\ntype: Opaque\n"))
        #expect(shown(manifest("db.enc.yaml")).contains("name: db\n"))
        #expect(shown(manifest("Not A Name.yaml")).contains("name: \"\"\n"))
        #expect(shown(manifest(name: "other")).contains("name: other\n"))
    }

    @Test func readsWhatTheUserTypes() throws {
        let edited = shown(manifest()).replacing("  # password: \"\"", with: "  password: \(canary)")
        let secret = try manifest().secret(in: secretBytes(edited))
        #expect(secret.name == "db")
        #expect(secret.namespace == "payments")
        #expect(entries(secret) == ["password": canary])
    }

    @Test func readsANamespaceThatTheUserAdds() throws {
        let edited =
            shown(manifest(namespace: nil)).replacing("  # namespace:", with: "  namespace:")
            + "  a: b\n"
        #expect(try manifest().secret(in: secretBytes(edited)).namespace == "payments")
    }

    @Test(arguments: [
        "kubernetes.io/tls", "kubernetes.io/basic-auth", "kubernetes.io/ssh-auth",
        "kubernetes.io/dockerconfigjson", "example.org/x",
    ])
    func showsTheEntriesOfAType(type: String) throws {
        let text = shown(manifest(type: type))
        #expect(text.contains("type: \(type)\n"))
        let secret = try manifest().secret(in: secretBytes(text + "  a: b\n"))
        #expect(entries(secret) == ["a": "b"])
    }

    @Test func refusesAManifestWithoutValues() {
        let message = problem(shown(manifest()))
        #expect(message?.contains("has no values") == true, "\(message ?? "")")
    }

    @Test func refusesWhatIsNotOneSecret() {
        let whole = shown(manifest()) + "  a: \(canary)\n"
        for edited in [
            "", "\(whole)---\n\(whole)", "\(canary)\n", whole.replacing("kind: Secret", with: "kind: X"),
        ] {
            expectSafeMessage(problem(edited))
        }
    }
}
