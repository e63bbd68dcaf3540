import Cryptography
import Foundation
import TestSupport
import Testing
import YAML

@testable import KubeClient

/// Plugins are real programs: shell scripts.
@Suite struct ExecCredentialTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func source(
        _ script: String, extra: String = "", cluster: String = "", version: String = "v1"
    ) throws -> any CredentialSource {
        // A script file would be "busy" (ETXTBSY) while a child of another test inherits its descriptor.
        try folder.link("bin/plugin", to: "/bin/sh")
        try folder.write("script", "echo run >> '\(folder.path)/runs'\n\(script)\n")
        let user = """
            exec: {apiVersion: client.authentication.k8s.io/\(version), command: ./bin/plugin, interactiveMode: Never, \
            args: ["\(folder.path)/script", a, 'b c'], env: [{name: WHO, value: me}, {name: BARE}, {name: VOID, value: null}]\(extra)}
            """
        return try load(folder.write("config", kubeconfig(cluster: cluster, user: user))).credentials
    }

    private func answer(_ status: String, version: String = "v1") -> String {
        """
        cat <<'END'
        {"apiVersion": "client.authentication.k8s.io/\(version)", "kind": "ExecCredential", "status": {\(status)}}
        END
        """
    }

    private var runs: Int { ((try? folder.read("runs")) ?? "").split(separator: "\n").count }

    @Test(arguments: ["v1", "v1beta1"]) func tokenIsKeptUntilRefused(version: String) async throws {
        let source = try source(answer("\"token\": \"t-0\"", version: version), version: version)
        let first = try await source.credential()
        #expect(text(first.authorization) == "Bearer t-0")
        #expect(try await source.credential().generation == first.generation)
        #expect(runs == 1)
        await source.invalidate(first)
        let second = try await source.credential()
        #expect(second.generation > first.generation && runs == 2)
        await source.invalidate(first)
        #expect(try await source.credential().generation == second.generation && runs == 2)
    }

    @Test func expiredOnesAreRenewed() async throws {
        let past = try source(answer("\"token\": \"t\", \"expirationTimestamp\": \"2020-01-01T00:00:00Z\""))
        _ = try await past.credential()
        _ = try await past.credential()
        #expect(runs == 2)
        let future = try source(
            answer("\"token\": \"t\", \"expirationTimestamp\": \"2999-01-01T02:00:00.5+02:00\""))
        _ = try await future.credential()
        _ = try await future.credential()
        #expect(runs == 3)
    }

    @Test func clientCertificate() async throws {
        let source = try source(answer(pair(realCertificate, realKey)))
        let credential = try await source.credential()
        #expect(credential.authorization == nil)
        #expect(credential.clientCertificate?.certificate == Array(realCertificate.utf8))
        #expect(text(credential.clientCertificate?.key) == realKey)
    }

    private func pair(_ certificate: String, _ key: String) -> String {
        func quoted(_ text: String) -> String { text.replacingOccurrences(of: "\n", with: "\\n") }
        return "\"clientCertificateData\": \"\(quoted(certificate))\", \"clientKeyData\": \"\(quoted(key))\""
    }

    @Test(arguments: [
        ("client.encrypted.key", "clientKeyData of ./bin/plugin holds an encrypted private key"),
        ("client.sec1.encrypted.key", "clientKeyData of ./bin/plugin holds an encrypted private key"),
        ("other.key", "clientKeyData of ./bin/plugin holds a private key that does not belong"),
        ("client.crt", "clientKeyData of ./bin/plugin holds no PEM private key"),
    ])
    func badClientKeys(key: String, message: String) async throws {
        try await expect(message, from: answer(pair(realCertificate, tlsVector(key))))
    }

    /// kubectl: an empty string.
    @Test func variablesWithoutAValueAreEmpty() async throws {
        let source = try source(
            "printf '<%s><%s>' \"${BARE-unset}\" \"${VOID-unset}\" > '\(folder.path)/told'\n"
                + answer("\"token\": \"t\""))
        _ = try await source.credential()
        #expect(try folder.read("told") == "<><>")
    }

    @Test func oneRunForAll() async throws {
        let source = try source("sleep 0.3\n" + answer("\"token\": \"t\""))
        try await withThrowingTaskGroup { group in
            for _ in 0..<20 { group.addTask { try await source.credential().generation } }
            for try await generation in group { #expect(generation == 1) }
        }
        #expect(runs == 1)
    }

    @Test func aCancelledWaiterLeavesTheOthers() async throws {
        let source = try source("sleep 0.5\n" + answer("\"token\": \"t\""))
        let impatient = Task { try await source.credential() }
        let patient = Task { try await source.credential() }
        impatient.cancel()
        await #expect(throws: ConfigurationError.self) { try await impatient.value }
        #expect(try await patient.value.generation == 1)
        #expect(runs == 1)
    }

    @Test func whatThePluginIsTold() async throws {
        let script =
            "printf '%s|%s|%s|' \"$1\" \"$2\" \"$WHO\" > '\(folder.path)/told'\n"
            + "printf %s \"$KUBERNETES_EXEC_INFO\" >> '\(folder.path)/told'\n" + answer("\"token\": \"t\"")
        let source = try source(
            script, extra: ", provideClusterInfo: true",
            cluster:
                "certificate-authority-data: \(base64(fakeCertificate)), tls-server-name: name, extensions: "
                + "[{name: client.authentication.k8s.io/exec, extension: {audience: x, count: 5}}]")
        _ = try await source.credential()
        let told = try folder.read("told").split(separator: "|", maxSplits: 3).map(String.init)
        #expect(told.prefix(3) == ["a", "b c", "me"])
        let info = try YAMLReader.documents(in: SecretBytes(copying: Array(told[3].utf8)), source: "info")[0]
        #expect(info["kind"]?.string == "ExecCredential")
        #expect(info["spec"]?["interactive"]?.bool == false)
        let cluster = info["spec"]?["cluster"]
        #expect(cluster?["server"]?.string == "https://h:1")
        #expect(cluster?["tls-server-name"]?.string == "name")
        #expect(cluster?["certificate-authority-data"]?.string == base64(fakeCertificate))
        #expect(cluster?["config"]?["audience"]?.string == "x")
        #expect(cluster?["config"]?["count"]?.int == 5)
    }

    @Test(arguments: [
        ("exit 7", "./bin/plugin ended with exit code 7; see its messages on standard error"),
        (
            "echo s3cret",
            "answered with another kind or version than ExecCredential of client.authentication.k8s.io/v1"
        ),
        ("echo '{\"a\": s3cret'", "the output is no ExecCredential: "),
        ("true", "printed no ExecCredential, or several; expected one"),
        ("", "printed no ExecCredential, or several; expected one"),
    ])
    func badPlugins(script: String, message: String) async throws {
        try await expect(message, from: script)
    }

    @Test(arguments: [
        ("", "gave neither a token nor a client certificate"),
        ("\"token\": \"s3\\ncret\"", "gave a token with characters that no header may hold"),
        ("\"clientKeyData\": \"s3cret\"", "gave a client certificate or its key, but not both"),
        (
            "\"token\": \"s3cret\", \"expirationTimestamp\": \"s3cret\"",
            "expirationTimestamp that is not RFC 3339"
        ),
    ])
    func badAnswers(status: String, message: String) async throws {
        try await expect(message, from: answer(status))
    }

    private func expect(_ message: String, from script: String) async throws {
        let source = try source(script)
        let line = try #require(
            await refusal { () throws(ConfigurationError) in _ = try await source.credential() })
        #expect(line.replacingOccurrences(of: "\(folder.path)/", with: "").contains(message), "\(line)")
        #expect(line.hasPrefix("\(folder.path)/config: users[\"u\"].user.exec: "), "\(line)")
        #expect(!line.contains("s3") && !line.contains("\n"))
    }

    @Test func anInstallHintForWhatIsMissing() async throws {
        let user = """
            exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: no-such-plugin-here, \
            installHint: "get it\\nfrom example.com"}
            """
        let file = try folder.write("config", kubeconfig(user: user))
        let source = try load(file).credentials
        #expect(
            await refusal { () throws(ConfigurationError) in _ = try await source.credential() }
                == "\(file): users[\"u\"].user.exec: cannot run no-such-plugin-here: it is not in PATH; "
                + "get it from example.com")
    }

    @Test func aPluginWithoutPermissionToRun() async throws {
        let path = try folder.write("bin/plain", "#!/bin/sh\n")
        for (command, variable) in [(path, ""), ("plain", "\(folder.path)/bin")] {
            let plugin = ExecPlugin(
                version: .v1, command: command, arguments: [], environment: ["PATH": variable],
                installHint: "install it", isInteractive: false, cluster: nil, fieldPath: "test")
            let source = ExecCredentialSource(plugin: plugin)
            #expect(
                await refusal { () throws(ConfigurationError) in _ = try await source.credential() }
                    == "test: cannot run \(command): \(path) is not executable; make it so (chmod +x), or correct `command`"
            )
        }
    }

    @Test func aPluginThatHangsIsKilled() async throws {
        let plugin = ExecPlugin(
            version: .v1, command: "sleep", arguments: ["60"],
            environment: ["PATH": "/usr/bin:/bin"],
            installHint: nil, isInteractive: false, cluster: nil, fieldPath: "test")
        let source = ExecCredentialSource(plugin: plugin, deadline: .milliseconds(100))
        let line = await refusal { () throws(ConfigurationError) in _ = try await source.credential() }
        #expect(line?.hasSuffix("did not end within 0 s and was killed") == true)
    }
}
