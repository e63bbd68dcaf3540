import Foundation
import TestSupport
import Testing

/// Input that cannot be used gives one line that tells what to do, and nothing else.
@Suite("Bad input", .onRealServers)
struct BadInputTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let what: String
        var arguments = ["wrap", "-n", "payments"]
        var input = Data()
        var environment = ["SB_WRAP_MASTER_KEY": BadInputTests.masterKey]
        /// What the line has to say.
        let says: [String]
        var status: Int32 = 1
        var testDescription: String { what }
    }

    static let masterKey = Data(repeating: 7, count: 32).base64EncodedString()
    static let otherKey = Data(repeating: 8, count: 32).base64EncodedString()

    static func secret(_ body: String, metadata: String = "{name: db}") -> Data {
        Data("apiVersion: v1\nkind: Secret\nmetadata: \(metadata)\n\(body)\n".utf8)
    }

    static let cases = [
        Case(
            what: "invalid base64", input: secret("data: {password: 'not base64!'}"),
            says: ["stdin:4", "password", "base64"]),
        Case(
            what: "base64 without padding", input: secret("data: {password: YQ}"),
            says: ["stdin:4", "password", "base64"]),
        Case(what: "a missing name", input: secret("data: {}", metadata: "{}"), says: ["metadata.name"]),
        Case(
            what: "a wrong kind", input: Data("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: db}\n".utf8),
            says: ["ConfigMap", "Secret"]),
        Case(
            what: "duplicate keys", input: secret("data: {a: YQ==, a: Yg==}"),
            says: ["stdin:4", "twice"]),
        Case(
            what: "no space after a colon", input: secret("stringData: {password:s3cr3t}"),
            says: ["stdin:4", "a space is needed"]),
        Case(
            what: "a value of 2 MiB",
            input: secret("stringData: {k: \(String(repeating: "v", count: 2 << 20))}"),
            says: ["1048576"]),
        Case(
            what: "binary noise",
            input: Data((0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ $0 / 13) }),
            says: ["stdin"]),
        Case(what: "nothing at all", says: ["stdin", "empty"]),
        Case(
            what: "an unreadable file", arguments: ["wrap", "-n", "payments", "-f", "/proc/self/mem"],
            says: ["/proc/self/mem"]),
        Case(
            what: "a file that is not there",
            arguments: ["wrap", "-n", "payments", "-f", "/nonexistent/secret.yaml"],
            says: ["/nonexistent/secret.yaml"]),
        Case(what: "a folder", arguments: ["wrap", "-n", "payments", "-f", "/"], says: ["/"]),
        Case(
            what: "no namespace", arguments: ["wrap"], input: secret("data: {a: YQ==}"), says: ["--namespace"]
        ),
        Case(
            what: "no KMS configured", input: secret("data: {a: YQ==}"), environment: [:],
            says: ["SB_WRAP_MASTER_KEY", "openssl rand -base64 32"]),
        Case(
            what: "an unknown KMS", input: secret("data: {a: YQ==}"),
            environment: ["SB_KMS_BACKEND": "abacus"],
            says: ["SB_KMS_BACKEND", "abacus", "local"]),
        Case(
            what: "a short master key", input: secret("data: {a: YQ==}"),
            environment: ["SB_WRAP_MASTER_KEY": "YWJj"],
            says: ["SB_WRAP_MASTER_KEY", "32 bytes"]),
        Case(
            what: "a controller without a KMS", arguments: ["controller", "--kubeconfig", "/nonexistent"],
            environment: [:], says: ["SB_WRAP_MASTER_KEY"]),
        Case(
            what: "a controller without a cluster",
            arguments: ["controller", "--kubeconfig", "/nonexistent"],
            says: ["/nonexistent"]),
        Case(what: "no such command", arguments: ["frobnicate"], says: ["frobnicate"], status: 64),
        Case(
            what: "no such option", arguments: ["wrap", "--frobnicate"], says: ["--frobnicate"], status: 64),
        Case(
            what: "a scope that is none", arguments: ["wrap", "--scope", "galaxy"], says: ["galaxy"],
            status: 64),
        Case(
            what: "a folder that is not there", arguments: ["rewrap", "/nonexistent"], says: ["/nonexistent"]),
        Case(
            what: "a re-wrap of nothing", arguments: ["rewrap"], says: ["--all-namespaces", "folders"],
            status: 64),
        Case(
            what: "a key that is not configured", arguments: ["rewrap", "--to", "aws-kms", "/etc/hostname"],
            says: ["--to", "aws-kms", "SB_KMS_BACKEND"]),
        Case(
            what: "a kubeconfig that is empty", arguments: ["status", "-A", "--context", "nowhere"],
            environment: ["KUBECONFIG": "/dev/null"], says: ["KUBECONFIG", "no cluster"]),
        Case(
            what: "a cluster that is not there", arguments: ["status", "-A", "--kubeconfig", "/nonexistent"],
            says: ["/nonexistent"]),
        Case(what: "a status of nothing", arguments: ["status"], says: ["--all-namespaces"], status: 64),
        Case(
            what: "an edit of something else", arguments: ["edit", "/etc/hostname"],
            says: ["/etc/hostname", "no WrappedSecret"]),
        Case(
            what: "values for something else",
            arguments: ["set", "/etc/hostname", "--from-literal", "a=b"], says: ["/etc/hostname"]),
        Case(what: "no values", arguments: ["set", "/etc/hostname"], says: ["--from-literal"], status: 64),
        Case(
            what: "a program without values", arguments: ["exec", "/etc/hostname", "--all", "--", "true"],
            says: ["/etc/hostname"]),
        Case(what: "no program", arguments: ["exec", "/etc/hostname"], says: ["--"], status: 64),
        Case(
            what: "a check of what is not there", arguments: ["verify", "/nonexistent"],
            says: ["/nonexistent"]),
        Case(
            what: "a look at something else", arguments: ["inspect", "/etc/hostname"],
            says: ["/etc/hostname", "no WrappedSecret"]),
        Case(
            what: "literals without a name", arguments: ["wrap", "--from-literal", "a=b"], says: ["--name"],
            status: 64),
    ]

    @Test("is refused in one line", arguments: cases)
    func refused(_ bad: Case) async throws {
        let outcome = try await run(bad.arguments, bad.input, bad.environment)
        #expect(outcome.status == bad.status)
        #expect(outcome.output.isEmpty)
        let lines = outcome.errors.split(separator: "\n").filter { !$0.contains(#""level":"warn""#) }
        if bad.status == 1 {
            #expect(lines.filter { !$0.contains(#""level":"#) }.count == 1, "\(outcome.errors)")
        }
        for word in bad.says { #expect(outcome.errors.contains(word), "\(outcome.errors)") }
    }

    @Test("of unwrap: a wrong master key, and a file that is no WrappedSecret")
    func unwrap() async throws {
        let wrapped = try await run(
            ["wrap", "-n", "payments"], Self.secret("data: {a: YQ==}"), ["SB_WRAP_MASTER_KEY": Self.masterKey]
        )
        #expect(wrapped.status == 0)
        let input = Data(wrapped.output.utf8)
        let others = [
            (input, Self.otherKey, "configured key"),
            (Self.secret("data: {a: YQ==}"), Self.masterKey, "WrappedSecret"),
            (
                Data(wrapped.output.replacing("payments", with: "billing").utf8), Self.masterKey,
                "another namespace"
            ),
            (Data(wrapped.output.replacing("format: v1", with: "format: v2").utf8), Self.masterKey, "v2"),
        ]
        for (input, key, says) in others {
            let outcome = try await run(["unwrap"], input, ["SB_WRAP_MASTER_KEY": key])
            #expect(outcome.status == 1)
            #expect(outcome.output.isEmpty)
            #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
            #expect(outcome.errors.contains(says), "\(outcome.errors)")
        }
    }

    @Test("in one of several files: nothing is written for the others either")
    func allOrNothing() async throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let good = try folder.write("good.yaml", Self.secret("data: {a: YQ==}"))
        let bad = try folder.write("bad.yaml", Self.secret("data: {a: YQ}"))
        let outcome = try await run(
            ["wrap", "-n", "payments", "-f", good, "-f", bad], Data(),
            ["SB_WRAP_MASTER_KEY": Self.masterKey])
        #expect(outcome.status == 1)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.contains("bad.yaml:4"), "\(outcome.errors)")
    }

    private func run(
        _ arguments: [String], _ input: Data, _ environment: [String: String]
    ) async throws -> Program.Outcome {
        try await Program(
            try Settings.required().binary, arguments, environment: environment, input: input
        ).outcome()
    }
}
