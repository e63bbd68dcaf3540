import Cryptography
import Foundation
import HTTP
import JSON
import TestSupport
import Testing

@testable import KubeClient

/// The plugins are shell scripts.
@Suite struct ExecCredentialTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func source(
        _ script: String, extra: String = "", cluster: String = "", version: String = "v1"
    ) throws -> any CredentialSource {
        // An executable script would be "busy" (ETXTBSY) while a child process of another test inherits its descriptor.
        try folder.link("bin/plugin", to: "/bin/sh")
        try folder.write("script", "echo run >> '\(folder.path)/runs'\n\(script)\n")
        let user = """
            exec: {apiVersion: client.authentication.k8s.io/\(version), command: ./bin/plugin, interactiveMode: Never, \
            args: ["\(folder.path)/script", a, 'b c'], env: [{name: WHO, value: me}, {name: BARE}, {name: VOID, value: null}]\(extra)}
            """
        return try load(folder.write("config", kubeconfig(cluster: cluster, user: user))).credentials
    }

    private func output(_ status: String, version: String = "v1") -> String {
        """
        cat <<'END'
        {"apiVersion": "client.authentication.k8s.io/\(version)", "kind": "ExecCredential", "status": {\(status)}}
        END
        """
    }

    private var runs: Int { ((try? folder.read("runs")) ?? "").split(separator: "\n").count }

    @Test(arguments: ["v1", "v1beta1"]) func keepsTheTokenUntilItIsRefused(version: String) async throws {
        let source = try source(output("\"token\": \"t-0\"", version: version), version: version)
        let first = try await source.credential()
        #expect(text(first.authorization) == "Bearer t-0")
        #expect(try await source.credential().generation == first.generation)
        #expect(runs == 1)
        await source.invalidate(first)
        let second = try await source.credential()
        #expect(second.generation > first.generation)
        #expect(runs == 2)
        await source.invalidate(first)
        #expect(try await source.credential().generation == second.generation)
        #expect(runs == 2)
    }

    @Test func renewsAnExpiredCredential() async throws {
        let past = try source(output("\"token\": \"t\", \"expirationTimestamp\": \"2020-01-01T00:00:00Z\""))
        _ = try await past.credential()
        _ = try await past.credential()
        #expect(runs == 2)
        let future = try source(
            output("\"token\": \"t\", \"expirationTimestamp\": \"2999-01-01T02:00:00.5+02:00\""))
        _ = try await future.credential()
        _ = try await future.credential()
        #expect(runs == 3)
    }

    @Test func returnsAClientCertificate() async throws {
        let source = try source(output(pair(realCertificate, realKey)))
        let credential = try await source.credential()
        #expect(credential.authorization == nil)
        #expect(credential.clientCertificate?.chain == Array(realCertificate.utf8))
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
    func rejectsInvalidClientKeys(key: String, message: String) async throws {
        try await expect(message, from: output(pair(realCertificate, tlsVector(key))))
    }

    /// As in kubectl, such a variable is an empty string.
    @Test func setsVariablesWithoutAValueToTheEmptyString() async throws {
        let source = try source(
            "printf '<%s><%s>' \"${BARE-unset}\" \"${VOID-unset}\" > '\(folder.path)/received'\n"
                + output("\"token\": \"t\""))
        _ = try await source.credential()
        #expect(try folder.read("received") == "<><>")
    }

    @Test func runsThePluginOnceForConcurrentCallers() async throws {
        let source = try source("sleep 0.3\n" + output("\"token\": \"t\""))
        try await withThrowingTaskGroup { group in
            for _ in 0..<20 { group.addTask { try await source.credential().generation } }
            for try await generation in group { #expect(generation == 1) }
        }
        #expect(runs == 1)
    }

    @Test func cancelsOneWaiterWithoutAffectingOthers() async throws {
        let source = try source("sleep 0.5\n" + output("\"token\": \"t\""))
        let impatient = Task { try await source.credential() }
        let patient = Task { try await source.credential() }
        impatient.cancel()
        await #expect(throws: ConfigurationError.self) { try await impatient.value }
        #expect(try await patient.value.generation == 1)
        #expect(runs == 1)
    }

    @Test func passesArgumentsEnvironmentAndClusterInfo() async throws {
        let script =
            "printf '%s|%s|%s|' \"$1\" \"$2\" \"$WHO\" > '\(folder.path)/received'\n"
            + "printf %s \"$KUBERNETES_EXEC_INFO\" >> '\(folder.path)/received'\n"
            + output("\"token\": \"t\"")
        let source = try source(
            script, extra: ", provideClusterInfo: true",
            cluster:
                "certificate-authority-data: \(base64(fakeCertificate)), tls-server-name: name, extensions: "
                + "[{name: client.authentication.k8s.io/exec, extension: {audience: x, count: 5}}]")
        _ = try await source.credential()
        let received = try folder.read("received").split(separator: "|", maxSplits: 3).map(String.init)
        #expect(received.prefix(3) == ["a", "b c", "me"])
        let info = try JSONValue(parsing: SecretBytes(copying: Array(received[3].utf8)))
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
            "echo '{\"kind\": \"s3cret\"}'",
            "returned another kind or version than ExecCredential of client.authentication.k8s.io/v1"
        ),
        ("echo '{\"a\": s3cret'", "the output is not an ExecCredential: "),
        ("echo s3cret", "the output is not an ExecCredential: "),
        ("true", "the output is not an ExecCredential: "),
        ("", "the output is not an ExecCredential: "),
    ])
    func reportsFailingPlugins(script: String, message: String) async throws {
        try await expect(message, from: script)
    }

    @Test(arguments: [
        ("", "returned neither a token nor a client certificate"),
        ("\"token\": \"s3\\ncret\"", "returned a token with characters that a header must not contain"),
        ("\"clientKeyData\": \"s3cret\"", "returned a client certificate or its key, but not both"),
        (
            "\"token\": \"s3cret\", \"expirationTimestamp\": \"s3cret\"",
            "expirationTimestamp that is not RFC 3339"
        ),
    ])
    func rejectsInvalidCredentials(status: String, message: String) async throws {
        try await expect(message, from: output(status))
    }

    private func expect(_ message: String, from script: String) async throws {
        let source = try source(script)
        let line = try #require(
            await refusal { () throws(ConfigurationError) in _ = try await source.credential() })
        #expect(line.replacingOccurrences(of: "\(folder.path)/", with: "").contains(message), "\(line)")
        #expect(line.hasPrefix("\(folder.path)/config: users[\"u\"].user.exec: "), "\(line)")
        #expect(!line.contains("s3"))
        #expect(!line.contains("\n"))
    }

    @Test func showsTheInstallHintOfAMissingPlugin() async throws {
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

    /// The command and the hint are texts of a file.
    @Test func cutsLongTextsOfAMissingPlugin() async throws {
        let long = String(repeating: "x", count: 100_000)
        for command in [long, "/\(long)"] {
            let plugin = ExecPlugin(
                version: .v1, command: command, arguments: [], environment: ["PATH": "/usr/bin"],
                installHint: long, isInteractive: false, cluster: nil, fieldPath: "test")
            let source = ExecCredentialSource(plugin: plugin)
            let line = await refusal { () throws(ConfigurationError) in _ = try await source.credential() }
            #expect((100..<10_000).contains(line?.utf8.count ?? 0))
        }
    }

    @Test func reportsAPluginThatIsNotExecutable() async throws {
        let path = try folder.write("bin/plain", "#!/bin/sh\n")
        for (command, variable) in [(path, ""), ("plain", "\(folder.path)/bin")] {
            let plugin = ExecPlugin(
                version: .v1, command: command, arguments: [], environment: ["PATH": variable],
                installHint: "install it", isInteractive: false, cluster: nil, fieldPath: "test")
            let source = ExecCredentialSource(plugin: plugin)
            #expect(
                await refusal { () throws(ConfigurationError) in _ = try await source.credential() }
                    == "test: cannot run \(command): \(path) is not executable; run chmod +x on it, or correct `command`"
            )
        }
    }

    @Test func killsAPluginThatHangs() async throws {
        let plugin = ExecPlugin(
            version: .v1, command: "sleep", arguments: ["60"],
            environment: ["PATH": "/usr/bin:/bin"],
            installHint: nil, isInteractive: false, cluster: nil, fieldPath: "test")
        let source = ExecCredentialSource(plugin: plugin, timeout: .milliseconds(100))
        let line = await refusal { () throws(ConfigurationError) in _ = try await source.credential() }
        #expect(line?.hasSuffix("did not end within 0 s and was killed") == true)
    }
}
