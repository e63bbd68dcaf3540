import Cryptography
import Envelope
import Testing

@testable import CLI

/// The configuration of an image registry has the bytes that kubectl 1.32 writes (`create secret docker-registry`).
struct DockerConfigurationTests {
    private func configuration(
        _ username: String, _ password: String, server: String = RegistryCredential.defaultServer,
        email: String? = nil
    ) throws -> String? {
        text(
            try RegistryCredential(
                server: server, username: username, email: email,
                password: SharedSecret(copying: password.utf8)
            ).configuration)
    }

    @Test func escapesAsGoDoes() throws {
        let password = "p<>&\"\\/'é\u{2028}\u{2029}\t\n\u{1}\u{8}\u{C}\u{7F}"
        let escaped = #"p\u003c\u003e\u0026\"\\/'é\u2028\u2029\t\n\u0001\b\f"# + "\u{7F}"
        #expect(
            try configuration("app", password)
                == #"{"auths":{"https://index.docker.io/v1/":{"username":"app","password":""# + escaped
                + #"","auth":"YXBwOnA8PiYiXC8nw6nigKjigKkJCgEIDH8="}}}"#)
    }

    @Test func putsTheEmailBeforeAuth() throws {
        #expect(
            try configuration("us:er", "a", server: "ghcr.io", email: "x@y.z")
                == #"{"auths":{"ghcr.io":{"username":"us:er","password":"a","email":"x@y.z","auth":"dXM6ZXI6YQ=="}}}"#
        )
    }

    @Test func notesAColonInTheUserName() throws {
        let credential = try RegistryCredential(
            server: "ghcr.io", username: "us:er", email: nil, password: SharedSecret(copying: [0x61]))
        #expect(credential.notes.count == 1)
    }

    @Test(arguments: [[], [0xFF]] as [[UInt8]])
    func refusesAPasswordThatIsEmptyOrNotText(password: [UInt8]) {
        #expect(throws: InputError.self) {
            try RegistryCredential(
                server: "ghcr.io", username: "app", email: nil, password: SharedSecret(copying: password))
        }
    }

    @Test func impliesTheType() throws {
        var arguments = SecretArguments()
        try arguments.addRegistry(
            try RegistryCredential(
                server: "ghcr.io", username: "app", email: nil, password: SharedSecret(copying: canary.utf8)))
        let secret = arguments.secret(name: "pull", namespace: "payments", type: nil)
        #expect(secret.type == "kubernetes.io/dockerconfigjson")
        #expect(secret.entries.map(\.name) == [".dockerconfigjson"])
        #expect(arguments.notes == [])
    }
}
