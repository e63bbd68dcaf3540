import Foundation
import TestSupport
import Testing

/// Commands report bad input in one line with a remedy, and print nothing else.
@Suite(.onRealServers)
struct BadInputTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        var arguments = ["wrap", "-n", "payments"]
        var input = Data()
        var environment = ["SB_WRAP_MASTER_KEY": BadInputTests.masterKey]
        /// Words that the line has to contain.
        let expected: [String]
        var status: Int32 = 1
        var testDescription: String { name }
    }

    static let masterKey = Data(repeating: 7, count: 32).base64EncodedString()
    static let otherKey = Data(repeating: 8, count: 32).base64EncodedString()

    static func secret(_ body: String, metadata: String = "{name: db}") -> Data {
        Data("apiVersion: v1\nkind: Secret\nmetadata: \(metadata)\n\(body)\n".utf8)
    }

    static let cases = [
        Case(
            name: "invalid base64", input: secret("data: {password: 'not base64!'}"),
            expected: ["stdin:4", "password", "base64"]),
        Case(
            name: "base64 without padding", input: secret("data: {password: YQ}"),
            expected: ["stdin:4", "password", "base64"]),
        Case(name: "a missing name", input: secret("data: {}", metadata: "{}"), expected: ["metadata.name"]),
        Case(
            name: "a wrong kind", input: Data("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: db}\n".utf8),
            expected: ["ConfigMap", "Secret"]),
        Case(
            name: "duplicate keys", input: secret("data: {a: YQ==, a: Yg==}"),
            expected: ["stdin:4", "duplicate key"]),
        Case(
            name: "no space after a colon", input: secret("stringData: {password:s3cr3t}"),
            expected: ["stdin:4", "a space is needed"]),
        Case(
            name: "a value of 2 MiB",
            input: secret("stringData: {k: \(String(repeating: "v", count: 2 << 20))}"),
            expected: ["1048576"]),
        Case(
            name: "binary noise",
            input: Data((0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ $0 / 13) }),
            expected: ["stdin"]),
        Case(name: "nothing at all", expected: ["stdin", "empty"]),
        Case(
            name: "an unreadable file", arguments: ["wrap", "-n", "payments", "-f", "/proc/self/mem"],
            expected: ["/proc/self/mem"]),
        Case(
            name: "a file that does not exist",
            arguments: ["wrap", "-n", "payments", "-f", "/nonexistent/secret.yaml"],
            expected: ["/nonexistent/secret.yaml"]),
        Case(name: "a folder", arguments: ["wrap", "-n", "payments", "-f", "/"], expected: ["/"]),
        Case(
            name: "no namespace", arguments: ["wrap"], input: secret("data: {a: YQ==}"),
            expected: ["--namespace"]
        ),
        Case(
            name: "no KMS configured", input: secret("data: {a: YQ==}"), environment: [:],
            expected: ["SB_WRAP_MASTER_KEY", "openssl rand -base64 32"]),
        Case(
            name: "an unknown KMS", input: secret("data: {a: YQ==}"),
            environment: ["SB_KMS_BACKEND": "abacus"],
            expected: ["SB_KMS_BACKEND", "abacus", "local"]),
        Case(
            name: "a short master key", input: secret("data: {a: YQ==}"),
            environment: ["SB_WRAP_MASTER_KEY": "YWJj"],
            expected: ["SB_WRAP_MASTER_KEY", "32 bytes"]),
        Case(
            name: "a controller without a KMS", arguments: ["controller", "--kubeconfig", "/nonexistent"],
            environment: [:], expected: ["SB_WRAP_MASTER_KEY"]),
        Case(
            name: "a controller without a cluster",
            arguments: ["controller", "--kubeconfig", "/nonexistent"],
            expected: ["/nonexistent"]),
        Case(name: "no such command", arguments: ["frobnicate"], expected: ["frobnicate"], status: 64),
        Case(
            name: "no such option", arguments: ["wrap", "--frobnicate"], expected: ["--frobnicate"],
            status: 64),
        Case(
            name: "a scope that is none", arguments: ["wrap", "--scope", "galaxy"], expected: ["galaxy"],
            status: 64),
        Case(
            name: "a folder that does not exist", arguments: ["rewrap", "/nonexistent"],
            expected: ["/nonexistent"]),
        Case(
            name: "a re-wrap of nothing", arguments: ["rewrap"], expected: ["--all-namespaces", "folders"],
            status: 64),
        Case(
            name: "a key that is not configured", arguments: ["rewrap", "--to", "aws-kms", "/etc/hostname"],
            expected: ["--to", "aws-kms", "SB_KMS_BACKEND"]),
        Case(
            name: "a kubeconfig that is empty", arguments: ["status", "-A", "--context", "nowhere"],
            environment: ["KUBECONFIG": "/dev/null"], expected: ["KUBECONFIG", "no cluster"]),
        Case(
            name: "a cluster that does not exist",
            arguments: ["status", "-A", "--kubeconfig", "/nonexistent"],
            expected: ["/nonexistent"]),
        Case(name: "a status of nothing", arguments: ["status"], expected: ["--all-namespaces"], status: 64),
        Case(
            name: "an edit of something else", arguments: ["edit", "/etc/hostname"],
            expected: ["/etc/hostname", "no WrappedSecret"]),
        Case(
            name: "values for something else",
            arguments: ["set", "/etc/hostname", "--from-literal", "a=b"], expected: ["/etc/hostname"]),
        Case(
            name: "no values", arguments: ["set", "/etc/hostname"], expected: ["--from-literal"], status: 64),
        Case(
            name: "a program without values", arguments: ["exec", "/etc/hostname", "--all", "--", "true"],
            expected: ["/etc/hostname"]),
        Case(name: "no program", arguments: ["exec", "/etc/hostname"], expected: ["--"], status: 64),
        Case(
            name: "a check of a missing path", arguments: ["verify", "/nonexistent"],
            expected: ["/nonexistent"]),
        Case(
            name: "a look at something else", arguments: ["inspect", "/etc/hostname"],
            expected: ["/etc/hostname", "no WrappedSecret"]),
        Case(
            name: "a PEM file in place of a name",
            arguments: ["set", "db.yaml", "tls.key", "-----BEGIN PRIVATE KEY-----\nS3cret\n"],
            expected: ["option in place 4 (not shown"], status: 64),
        Case(
            name: "a PEM file in place of a path",
            arguments: ["wrap", "--tls-key", "-----BEGIN PRIVATE KEY-----\nS3cret\n"],
            expected: ["option in place 3 (not shown"], status: 64),
        Case(
            name: "a value that begins with a hyphen", arguments: ["set", "db.yaml", "password", "-S3cret"],
            expected: ["in place 4 (not shown"], status: 64),
        Case(
            name: "a value that begins with two hyphens",
            arguments: ["set", "db.yaml", "password", "--S3cret"],
            expected: ["Unknown option in place 4 (not shown"], status: 64),
        Case(
            name: "a value that is not expected", arguments: ["edit", "f.yaml", "password=S3cret"],
            expected: ["Unexpected argument in place 3 (not shown"], status: 64),
        Case(
            name: "values that are not expected",
            arguments: ["edit", "f.yaml", "S3cret", "-n", "x", "S3cret"],
            expected: ["2 unexpected arguments in places 3 and 6 (not shown"], status: 64),
        Case(
            name: "a value of a flag", arguments: ["rewrap", "f.yaml", "--dry-run=S3cret"],
            expected: ["The option '--dry-run' does not take any value, but has one in place 3"], status: 64),
        Case(
            name: "a value in place of the name of an entry",
            arguments: ["rotate-value", "f.yaml", "password=S3cret"],
            expected: ["an argument is not the name of an entry"], status: 64),
        Case(
            name: "a password in place of its file",
            arguments: [
                "wrap", "--name", "db", "-n", "a", "--docker-server", "r", "--docker-username", "u",
                "--docker-password-file", "S3cret",
            ], expected: ["the argument in place 11 cannot be read as a file"]),
        Case(
            name: "a value in place of a file",
            arguments: ["wrap", "--name", "db", "-n", "a", "--from-file", "password=S3cret"],
            expected: ["the argument in place 7 cannot be read as a file"]),
        Case(
            name: "a value behind a blank",
            arguments: ["wrap", "-n", "a", "--name", "x", "--from-literal", "password=correct", "S3cret"],
            expected: ["--name creates a Secret from the --from options"], status: 64),
        Case(
            name: "literals without a name", arguments: ["wrap", "--from-literal", "a=b"],
            expected: ["--name"],
            status: 64),
    ]

    @Test(arguments: cases)
    func refusesBadInputInOneLine(_ bad: Case) async throws {
        let outcome = try await run(bad.arguments, bad.input, bad.environment)
        #expect(outcome.status == bad.status)
        #expect(outcome.output.isEmpty)
        let lines = outcome.errors.split(separator: "\n").filter { !$0.contains(#""level":"warn""#) }
        if bad.status == 1 {
            #expect(lines.filter { !$0.contains(#""level":"#) }.count == 1, "\(outcome.errors)")
        }
        for word in bad.expected { #expect(outcome.errors.contains(word), "\(outcome.errors)") }
        #expect(!outcome.errors.contains("S3cret"), "\(outcome.errors)")
    }

    @Test func refusesToUnwrapInOneLine() async throws {
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
        for (input, key, expected) in others {
            let outcome = try await run(["unwrap"], input, ["SB_WRAP_MASTER_KEY": key])
            #expect(outcome.status == 1)
            #expect(outcome.output.isEmpty)
            #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
            #expect(outcome.errors.contains(expected), "\(outcome.errors)")
        }
    }

    @Test func writesNothingIfOneOfSeveralFilesIsBad() async throws {
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
