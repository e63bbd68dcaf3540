import Envelope
import Foundation
import KMS
import KubeClient
import Resources
import TestSupport
import Testing

/// `aws-kms` with moto's KMS, STS and IAM, which check signatures and policies, and an STS that verifies the tokens
/// of the real API server.
@Suite("AWS", .onRealServers, .dedicatedAWS, .serialized)
struct AWSTests {
    /// Runs the controller in a new namespace, with what EKS gives to its service account.
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

    @Test("With nothing but its service account's token the controller opens what a developer wrapped")
    func webIdentity() async throws {
        try await withController { namespace, controller, aws in
            let developer = try await aws.settings(user: "developer", namespace.name)
            let wrapped = try await cli(
                ["wrap", "-n", namespace.name, "--name", "db", "--from-literal", "password=hunter2"],
                developer)
            #expect(wrapped.status == 0, "\(wrapped.errors)")
            try await namespace.kubectl("apply", "-f", "-", input: Data(wrapped.output.utf8))
            let object = try await namespace.reconciled("db")
            #expect(try await namespace.secret("db")?.values == ["password": "hunter2"])
            // The row names the key, though the settings name an alias.
            let arn = try await aws.aws(
                "kms", "describe-key", "--key-id", "alias/sb-wrap", query: "KeyMetadata.Arn")
            #expect(object.status?.keyID == arn)

            let refused = try await cli(["unwrap"], developer, input: wrapped.output)
            #expect(refused.status == 1)
            #expect(refused.output.isEmpty)
            #expect(
                refused.errors.contains("kms:Decrypt") && refused.errors.contains(arn), "\(refused.errors)")

            try await eventually("the key is announced") {
                try controller.kmsLogLines().contains { $0.msg == "keymgmt backend ready" }
            }
        }
    }

    @Test("KMS is asked once for a change and once for a repair, and not at a restart")
    func cost() async throws {
        let aws = try DedicatedAWS.required()
        let settings = try await aws.podSettings()
        try await TestNamespace.withShared { namespace in
            let developer = try await aws.developer(namespace)
            func decrypts(_ body: (ControllerProgram) async throws -> Void) async throws -> Int {
                try await ControllerProgram.with(namespace, settings) { controller in
                    try await eventually("the key is tested") { try !controller.kmsLogLines().isEmpty }
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
                    try await namespace.secret("db-0", until: "is back") { $0.values == ["k": "db-0"] }
                    try await namespace.reconciled("db-0")
                } == names.count + 1)
            #expect(
                try await decrypts { _ in
                    // Behind all others in the queue.
                    try await namespace.apply("last", ["k": "v"], with: developer)
                    try await namespace.reconciled("last")
                } == 1)
        }
    }

    @Test("A copy in another namespace is refused by KMS itself")
    func copies() async throws {
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

    @Test("A disabled key: the Secret stays, the status says so, and it heals alone when the key is enabled")
    func disabledKey() async throws {
        try await withController { namespace, _, aws in
            let developer = try await aws.developer(namespace)
            try await namespace.apply("db", ["k": "v"], with: developer)
            let arn = try #require(try await namespace.reconciled("db").status?.keyID)
            let id = try #require(arn.split(separator: "/").last.map(String.init))
            try await aws.aws("kms", "disable-key", "--key-id", id)
            try await namespace.kubectl("patch", "secret", "db", "-p", #"{"stringData":{"other":"v"}}"#)
            let message = try await namespace.reconciled("db", .keyUnavailable).status?.condition(.ready)?
                .message
            #expect(
                message?.contains("disabled") == true && message?.contains(arn) == true, "\(message ?? "")")
            #expect(try await namespace.secret("db")?.values["k"] == "v")
            try await aws.aws("kms", "enable-key", "--key-id", id)
            try await namespace.secret("db", until: "is repaired") { $0.values == ["k": "v"] }
        }
    }

    @Test("The alias moves: new rows say the new key, old ones say and use the old one; a re-wrap moves them")
    func movedAlias() async throws {
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
            // As docs/aws-kms.md says: the controller must be allowed to use both.
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

            // By ReEncrypt, which shows nobody the data key.
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

    @Test("Sessions that end in mid-run are replaced; a token that was rotated is read anew")
    func shortSessions() async throws {
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
            // A token that is for somebody else gives no new session, and the status says so.
            try await aws.writeToken(file, audience: "vault")
            try await eventually("the status says that STS refuses the token") {
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

    @Test("A developer of one namespace cannot wrap for another, nor a rotator move its data keys")
    func tenants() async throws {
        let aws = try DedicatedAWS.required()
        try await TestNamespace.withShared { namespace in
            let developer = try await aws.developer(namespace)
            let ours = try Binding(scope: .strict, namespace: namespace.name, secretName: "db")
            let theirs = try Binding(scope: .strict, namespace: "elsewhere", secretName: "db")
            let made = try await developer.generateDataKey(for: ours)
            await #expect(throws: KeyManagerError.self) { try await developer.generateDataKey(for: theirs) }
            // The scope cluster, which has no namespace, is no way round.
            let anywhere = try Binding(scope: .cluster, namespace: nil, secretName: "db")
            await #expect(throws: KeyManagerError.self) { try await developer.generateDataKey(for: anywhere) }
            let rotator = try aws.key(try await aws.settings(user: "rotator", "elsewhere"))
            await #expect(throws: KeyManagerError.self) {
                try await rotator.rewrap(made.recipient, for: ours)
            }
        }
    }

    @Test(
        "A token for somebody else, and a wrong secret key, are refused, and the message says what to check")
    func refusedIdentities() async throws {
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
            #expect(stranger.status == 1 && stranger.output.isEmpty)
            #expect(stranger.errors.contains("trust policy"), "\(stranger.errors)")

            var forger = try await aws.settings(user: "controller", namespace.name)
            #expect(try await cli(["unwrap"], forger, input: wrapped.output).status == 0)
            let secret = try #require(forger["AWS_SECRET_ACCESS_KEY"])
            forger["AWS_SECRET_ACCESS_KEY"] = "wrong" + secret
            let forged = try await cli(["unwrap"], forger, input: wrapped.output)
            #expect(forged.status == 1 && forged.output.isEmpty)
            #expect(forged.errors.contains("secret access key"), "\(forged.errors)")
            #expect(!forged.errors.contains(secret))
        }
    }

    @Test("boto3 and an independent envelope open what we wrap, and we open what they wrap")
    func independentClient() async throws {
        try await withController { namespace, _, aws in
            var admin = try await aws.settings(user: "admin")
            admin["KMS"] = "aws"
            let client = IndependentClient(environment: admin)
            let made = try await client.run("make", namespace.name, "theirs", "password=hünter2", "empty=")
            try await namespace.kubectl("apply", "-f", "-", input: Data(made.utf8))
            try await namespace.reconciled("theirs")
            #expect(try await namespace.secret("theirs")?.values == ["password": "hünter2", "empty": ""])

            let ours = try await cli(
                [
                    "wrap", "-n", namespace.name, "--name", "ours", "--from-literal", "password=hünter2",
                    "-o", "json",
                ], try await aws.settings(user: "developer", namespace.name))
            #expect(ours.status == 0, "\(ours.errors)")
            let opened = try await client.run("open", input: ours.output)
            #expect(
                try JSONDecoder().decode([String: String].self, from: Data(opened.utf8))
                    == ["password": "hünter2"])
        }
    }
}
