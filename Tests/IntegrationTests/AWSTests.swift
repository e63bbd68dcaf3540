import Envelope
import Foundation
import KMS
import KubeClient
import Resources
import TestSupport
import Testing

/// `aws-kms` with the KMS, STS and IAM of moto, which check signatures and policies, and an STS that verifies the tokens
/// of the real API server.
@Suite(.onRealServers, .dedicatedAWS, .serialized)
struct AWSTests {
    /// Runs the controller in a new namespace, with the environment that EKS gives to its service account.
    private func withController(
        tokenFile: String? = nil, _ body: (TestNamespace, ControllerProgram, LoopbackAWS) async throws -> Void
    ) async throws {
        let aws = try DedicatedAWS.required()
        let settings = try await aws.podSettings(tokenFile: tokenFile)
        try await TestNamespace.withShared { namespace in
            try await ControllerProgram.with(namespace, settings) { controller in
                try await body(namespace, controller, aws)
            }
        }
    }

    private func cli(_ arguments: [String], _ settings: [String: String], input: String = "") async throws
        -> Program.Outcome
    {
        try await Program(
            try Settings.required().binary, arguments, environment: settings, input: Data(input.utf8)
        ).outcome()
    }

    @Test func opensWhatADeveloperWrappedWithAServiceAccountToken() async throws {
        try await withController { namespace, controller, aws in
            let developer = try await aws.settings(user: "developer", namespace.name)
            let wrapped = try await cli(
                ["wrap", "-n", namespace.name, "--name", "db", "--from-literal", "password=hunter2"],
                developer)
            #expect(wrapped.status == 0, "\(wrapped.errors)")
            try await namespace.kubectl("apply", "-f", "-", input: Data(wrapped.output.utf8))
            let object = try await namespace.reconciled("db")
            #expect(try await namespace.secret("db")?.values == ["password": "hunter2"])
            // The WrappedSecret has the ARN of the key although the settings have an alias.
            let arn = try await aws.aws(
                "kms", "describe-key", "--key-id", "alias/sb-wrap", query: "KeyMetadata.Arn")
            #expect(object.status?.keyID == arn)

            let refused = try await cli(["unwrap"], developer, input: wrapped.output)
            #expect(refused.status == 1)
            #expect(refused.output.isEmpty)
            #expect(refused.errors.contains("kms:Decrypt"), "\(refused.errors)")
            #expect(refused.errors.contains(arn), "\(refused.errors)")

            try await eventually("the key is logged") {
                try controller.kmsLogLines().contains { $0.msg == "keymgmt backend ready" }
            }
        }
    }

    @Test func sendsOneRequestForAChangeAndNoneAtARestart() async throws {
        let aws = try DedicatedAWS.required()
        let settings = try await aws.podSettings()
        try await TestNamespace.withShared { namespace in
            let developer = try await aws.developer(namespace)
            func decrypts(_ body: (ControllerProgram) async throws -> Void) async throws -> Int {
                try await ControllerProgram.with(namespace, settings) { controller in
                    try await eventually("the self-test is logged") { try !controller.kmsLogLines().isEmpty }
                    let before = try aws.requests("Decrypt")
                    try await body(controller)
                    counted = try aws.requests("Decrypt") - before
                }
                return counted
            }
            var counted = 0
            let names = (0..<30).map { "db-\($0)" }
            #expect(
                try await decrypts { _ in
                    try await namespace.applyAll(names, with: developer) { $0 }
                    try await eventually("all are synced") {
                        try await namespace.syncedCount() == names.count
                    }
                    try await namespace.kubectl("delete", "secret", "db-0")
                    try await namespace.secret("db-0", until: "is restored") { $0.values == ["k": "db-0"] }
                    try await namespace.reconciled("db-0")
                } == names.count + 1)
            #expect(
                try await decrypts { _ in
                    // This object is behind all others in the queue.
                    try await namespace.apply("last", ["k": "v"], with: developer)
                    try await namespace.reconciled("last")
                } == 1)
        }
    }

    @Test func kmsRefusesACopyInAnotherNamespace() async throws {
        try await withController { namespace, _, aws in
            var stolen = try await Manifest(
                "db", in: "elsewhere", ["k": "v"],
                with: try aws.key(try await aws.settings(user: "developer", "elsewhere")))
            stolen.metadata.namespace = namespace.name
            try await namespace.apply(stolen)
            try await namespace.reconciled("db", .decryptFailed)
            #expect(try await namespace.secret("db") == nil)
        }
    }

    @Test func keepsTheSecretWhileTheKeyIsDisabledAndRecovers() async throws {
        try await withController { namespace, _, aws in
            let developer = try await aws.developer(namespace)
            try await namespace.apply("db", ["k": "v"], with: developer)
            let arn = try #require(try await namespace.reconciled("db").status?.keyID)
            let id = try #require(arn.split(separator: "/").last.map(String.init))
            try await aws.aws("kms", "disable-key", "--key-id", id)
            try await namespace.kubectl("patch", "secret", "db", "-p", #"{"stringData":{"other":"v"}}"#)
            let message = try await namespace.reconciled("db", .keyUnavailable).status?.condition(.ready)?
                .message
            #expect(message?.contains("disabled") == true, "\(message ?? "")")
            #expect(message?.contains(arn) == true, "\(message ?? "")")
            #expect(try await namespace.secret("db")?.values["k"] == "v")
            try await aws.aws("kms", "enable-key", "--key-id", id)
            try await namespace.secret("db", until: "is repaired") { $0.values == ["k": "v"] }
        }
    }

    @Test func showsTheKeyOfAMovedAliasAndRewrapsToIt() async throws {
        try await withController { namespace, _, aws in
            func target() async throws -> String {
                try await aws.aws(
                    "kms", "describe-key", "--key-id", "alias/sb-wrap", query: "KeyMetadata.Arn")
            }
            let old = try await target()
            let first = try await namespace.wrap(
                "first", ["k": "1"], with: try await aws.developer(namespace))
            #expect(first.spec.recipients[0].keyID == old)
            let created = try await aws.aws("kms", "create-key", query: "KeyMetadata.KeyId")
            try await aws.aws(
                "kms", "update-alias", "--alias-name", "alias/sb-wrap", "--target-key-id", created)
            let new = try await target()
            #expect(new != old)
            // By docs/aws-kms.md, the controller needs the permission for both keys.
            try await aws.aws(
                "iam", "put-role-policy", "--role-name", "secrets-bridge", "--policy-name", "new-key",
                "--policy-document",
                """
                {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "\(new)"}]}
                """)

            try await namespace.apply(first)
            #expect(try await namespace.reconciled("first").status?.keyID == old)
            let developer = try aws.key(
                try await aws.settings(user: "developer", namespace.name, new, new))
            try await namespace.apply("second", ["k": "2"], with: developer)
            #expect(try await namespace.reconciled("second").status?.keyID == new)

            // ReEncrypt reveals the data key to no client.
            let before = try aws.requestCount()
            let folder = try TemporaryFolder()
            defer { withExtendedLifetime(folder) {} }
            let file = try folder.write("first.json", first.json())
            let rotator = try await aws.settings(user: "rotator", namespace.name, old, new)
            let moved = try await cli(["rewrap", file], rotator)
            #expect(moved.output.contains("\(old) -> \(new)"), "\(moved.output)\(moved.errors)")
            #expect(try aws.requests("ReEncrypt", from: before) == 1)
            #expect(try aws.requests("Decrypt", from: before) == 0)
            try await namespace.kubectl("apply", "--server-side", "--force-conflicts", "-f", file)
            #expect(try await namespace.reconciled("first").status?.keyID == new)
            #expect(try await namespace.secret("first")?.values == ["k": "1"])
        }
    }

    @Test func replacesExpiringSessionsAndReadsARotatedToken() async throws {
        let aws = try DedicatedAWS.required()
        try await aws.script("sessions", "6")
        let file = "\(aws.directory)/rotated-token"
        let before = try aws.requestCount()
        try await withController(tokenFile: file) { namespace, controller, aws in
            let developer = try await aws.developer(namespace)
            for round in 1...10 {
                try await namespace.apply("db", ["k": "\(round)"], with: developer)
                try await namespace.reconciled("db")
                if round == 5 { try await aws.writeToken(file) }
                try await Task.sleep(for: .seconds(1))
            }
            #expect(!controller.log.contains("not synced"))
            // A token with another audience gives no new session, and the status reports it.
            try await aws.writeToken(file, audience: "vault")
            try await eventually("the status reports that STS refuses the token") {
                try await namespace.kubectl("patch", "secret", "db", "-p", #"{"stringData":{"other":"v"}}"#)
                let ready = try await namespace.wrappedSecret("db").status?.condition(.ready)
                return ready?.reason == Reason.unwrapDenied.rawValue
                    && ready?.message.contains("STS") == true
            }
            try await aws.writeToken(file)
            try await namespace.secret("db", until: "is repaired") { $0.values == ["k": "10"] }
        }
        try await aws.script("sessions", "3600")
        #expect(try aws.requests("AssumeRoleWithWebIdentity", from: before) >= 2)
    }

    @Test func aDeveloperCannotWrapForAnotherNamespace() async throws {
        let aws = try DedicatedAWS.required()
        try await TestNamespace.withShared { namespace in
            let developer = try await aws.developer(namespace)
            let own = try Binding(scope: .strict, namespace: namespace.name, secretName: "db")
            let foreign = try Binding(scope: .strict, namespace: "elsewhere", secretName: "db")
            let dataKey = try await developer.generateDataKey(for: own)
            await #expect(throws: KeyManagerError.self) { try await developer.generateDataKey(for: foreign) }
            // The scope cluster, which has no namespace, does not circumvent it.
            let anywhere = try Binding(scope: .cluster, namespace: nil, secretName: "db")
            await #expect(throws: KeyManagerError.self) { try await developer.generateDataKey(for: anywhere) }
            let rotator = try aws.key(try await aws.settings(user: "rotator", "elsewhere"))
            await #expect(throws: KeyManagerError.self) {
                try await rotator.rewrap(dataKey.recipient, for: own)
            }
        }
    }

    @Test func namesTheRemedyForARefusedIdentity() async throws {
        let aws = try DedicatedAWS.required()
        try await TestNamespace.withShared { namespace in
            let wrapped = try await cli(
                ["wrap", "-n", namespace.name, "--name", "db", "--from-literal", "k=v"],
                try await aws.settings(user: "developer", namespace.name))
            var pod = try await aws.podSettings()
            let file = "\(aws.directory)/token-for-another"
            try await aws.writeToken(file, audience: "vault")
            pod["AWS_WEB_IDENTITY_TOKEN_FILE"] = file
            let stranger = try await cli(["unwrap"], pod, input: wrapped.output)
            #expect(stranger.status == 1)
            #expect(stranger.output.isEmpty)
            #expect(stranger.errors.contains("client ids"), "\(stranger.errors)")

            var forger = try await aws.settings(user: "controller", namespace.name)
            #expect(try await cli(["unwrap"], forger, input: wrapped.output).status == 0)
            let secret = try #require(forger["AWS_SECRET_ACCESS_KEY"])
            forger["AWS_SECRET_ACCESS_KEY"] = "wrong" + secret
            let forged = try await cli(["unwrap"], forger, input: wrapped.output)
            #expect(forged.status == 1)
            #expect(forged.output.isEmpty)
            #expect(forged.errors.contains("secret access key"), "\(forged.errors)")
            #expect(!forged.errors.contains(secret))
        }
    }

    @Test func isCompatibleWithAnIndependentClient() async throws {
        try await withController { namespace, _, aws in
            var admin = try await aws.settings(user: "admin")
            admin["KMS"] = "aws"
            let client = IndependentClient(environment: admin)
            let manifest = try await client.run(
                "make", namespace.name, "theirs", "password=hünter2", "empty=")
            try await namespace.kubectl("apply", "-f", "-", input: Data(manifest.utf8))
            try await namespace.reconciled("theirs")
            #expect(try await namespace.secret("theirs")?.values == ["password": "hünter2", "empty": ""])

            let wrapped = try await cli(
                [
                    "wrap", "-n", namespace.name, "--name", "ours", "--from-literal", "password=hünter2",
                    "-o", "json",
                ], try await aws.settings(user: "developer", namespace.name))
            #expect(wrapped.status == 0, "\(wrapped.errors)")
            let opened = try await client.run("open", input: wrapped.output)
            #expect(
                try JSONDecoder().decode([String: String].self, from: Data(opened.utf8))
                    == ["password": "hünter2"])
        }
    }
}
