import Cryptography
import Envelope
import KMS
import Testing

@testable import CLI

/// Options that set properties beside those of a manifest.
struct SecretOverridesTests {
    private let secret: SecretInput

    init() {
        var secret = SecretInput(name: "db", namespace: "payments", source: "a.yaml")
        secret.labels = ["team": "old", "app": "db"]
        self.secret = secret
    }

    private func wrap(_ overrides: SecretOverrides, type: String? = nil) async throws -> String {
        let key = try LocalKeyManager(master: SharedSecret(copying: [UInt8](repeating: 1, count: 32)))
        let ring = KeyRing(primary: key)
        let wrapper = SecretWrapper(keys: ring, scope: .strict, namespace: nil)
        var secret = secret
        secret.type = type
        let output = try await wrapper.wrap(try overrides.applied(to: [secret])[0])
        return yaml(output.manifest)
    }

    @Test func readsPairs() throws {
        let pairs = try SecretOverrides.pairs(["a=b", "c=", "d=e=f"], option: "--label")
        #expect(pairs == ["a": "b", "c": "", "d": "e=f"])
    }

    @Test(arguments: [["a"], ["=b"], [""], ["a=1", "a=2"]])
    func refusesInvalidPairs(arguments: [String]) {
        #expect(throws: InputError.self) { try SecretOverrides.pairs(arguments, option: "--label") }
    }

    @Test func setsFieldsOfTheTemplateAndThePolicy() async throws {
        var overrides = SecretOverrides()
        overrides.labels = ["team": "new"]
        overrides.annotations = ["note": "x"]
        overrides.secretName = "orders"
        overrides.creationPolicy = "Orphan"
        overrides.isImmutable = true
        let manifest = try await wrap(overrides)
        #expect(manifest.contains("metadata:\n  name: db\n  namespace: payments\n"), "\(manifest)")
        #expect(
            manifest.contains(
                """
                  template:
                    metadata:
                      name: orders
                      labels:
                        app: db
                        team: new
                      annotations:
                        note: x
                    immutable: true
                  creationPolicy: Orphan

                """), "\(manifest)")
    }

    @Test func bindsTheCiphertextToTheNameOfTheSecret() async throws {
        var overrides = SecretOverrides()
        overrides.secretName = "orders"
        let key = try LocalKeyManager(master: SharedSecret(copying: [UInt8](repeating: 1, count: 32)))
        let unwrapper = SecretUnwrapper(keys: KeyRing(primary: key), namespace: nil)
        let secrets = try await unwrapper.secrets(
            in: secretBytes(try await wrap(overrides)), source: "a.yaml")
        #expect(secrets.map(yaml).first?.contains("name: orders\n") == true)
    }

    @Test func omitsANameThatIsTheDefault() async throws {
        var overrides = SecretOverrides()
        overrides.secretName = "db"
        #expect(try await !wrap(overrides).contains("  name: db\n      "))
    }

    @Test func refusesOneNameForSeveralSecrets() {
        var overrides = SecretOverrides()
        overrides.secretName = "orders"
        #expect(throws: InputError.self) { try overrides.applied(to: [secret, secret]) }
    }

    @Test func refusesATypeWithMerge() async throws {
        var overrides = SecretOverrides()
        overrides.creationPolicy = "Merge"
        #expect(try await wrap(overrides).contains("creationPolicy: Merge\n"))
        await #expect(throws: InputError.self) { try await wrap(overrides, type: "example.org/x") }
        overrides.isImmutable = true
        await #expect(throws: InputError.self) { try await wrap(overrides) }
    }
}
