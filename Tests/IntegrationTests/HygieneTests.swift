import Foundation
import TestSupport
import Testing

/// Secrets of settings and files are not in the environment and the arguments of this program and of those that it starts.
@Suite(.onRealServers)
struct HygieneTests {
    private let folder: TemporaryFolder
    private let programs: StartedPrograms
    private let canary = "canary-\(UUID().uuidString)"
    private var file: String { folder.path("db.yaml") }
    private var settings: [String: String] {
        [
            "SB_WRAP_MASTER_KEY": BadInputTests.masterKey, "SB_KMS_VAULT_TOKEN": canary,
            "SB_KMS_VAULT_SECRET_ID": canary, "SB_WRAP_MASTER_KEYS_PREVIOUS": BadInputTests.masterKey,
        ]
    }

    init() throws {
        folder = try TemporaryFolder()
        programs = try StartedPrograms()
    }

    private func run(
        _ arguments: [String], _ more: [String: String] = [:], input: String = "", status: Int32 = 0,
        location: SourceLocation = #_sourceLocation
    ) async throws -> Program.Outcome {
        let environment = settings.merging(programs.environment) { $1 }.merging(more) { $1 }
        return try await secretsBridge(
            arguments, environment, input: Data(input.utf8), status: status, canary: canary,
            location: location)
    }

    private func wrap() async throws {
        let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: \(canary)}\n"
        try folder.write("db.yaml", try await run(["wrap", "-n", "payments"], input: secret).output)
    }

    private func expectNoSecret(in records: Data, location: SourceLocation = #_sourceLocation) {
        #expect(records.hasVariable("PATH="), "the program was not started", sourceLocation: location)
        #expect(!records.hasVariable("SB_"), sourceLocation: location)
        for secret in [canary, BadInputTests.masterKey] {
            #expect(!SecretForms(secret).found(in: records), sourceLocation: location)
        }
    }

    /// The kernel shows the memory in which it put the environment, whatever unsetenv(3) did. It shows it to root alone.
    @Test(.enabled(if: getuid() == 0, "only root can read the environment of the program"))
    func removesItsSettingsFromTheEnvironmentThatTheKernelShows() async throws {
        let pipe = folder.path("pipe")
        try #require(mkfifo(pipe, 0o600) == 0)
        let program = try Program(
            try Settings.required().binary, ["wrap", "-n", "payments", "-f", pipe],
            environment: settings.merging(["OTHER": "other-\(canary)"]) { $1 })
        // This end can be opened once the program has opened the other.
        let end = try await eventually("the program reads") {
            let end = open(pipe, O_WRONLY | O_NONBLOCK)
            return end >= 0 ? end : nil
        }
        defer { close(end) }
        let environment = try Data(contentsOf: URL(filePath: "/proc/\(program.pid)/environ"))
        #expect(environment.hasVariable("OTHER=other-\(canary)"), "variables of others stay as they are")
        #expect(!environment.hasVariable("SB_KMS_VAULT_TOKEN=\(canary)"))
        #expect(!environment.hasVariable("SB_KMS_VAULT_SECRET_ID=\(canary)"))
        #expect(!SecretForms(BadInputTests.masterKey).found(in: environment))
        let arguments = try Data(contentsOf: URL(filePath: "/proc/\(program.pid)/cmdline"))
        #expect(!SecretForms(canary).found(in: arguments))
        program.signal(SIGKILL)
    }

    @Test func anEditorGetsNoSecret() async throws {
        try await wrap()
        let script = try programs.script("editor", "sed -i 's/password/passphrase/' \"$1\"")
        _ = try await run(["edit", file], ["EDITOR": "/bin/sh \(script)"])
        expectNoSecret(in: programs.records("editor"))
    }

    @Test func gitGetsNoSecret() async throws {
        try programs.record("git")
        try await wrap()
        let shell = """
            set -e; cd '\(folder.path)'; git init -q; git add db.yaml; export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org \
            GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org; git commit -qm 1; "$0" set db.yaml --from-file user=/dev/null; \
            git commit -qam 2; export RECORDS PATH="$RECORDED"; exec "$0" diff --open --git HEAD~1..HEAD
            """
        let recorded = programs.environment
        let plain = ["PATH": recorded["RECORDED_PATH"] ?? "", "RECORDED": recorded["PATH"] ?? ""]
        let outcome = try await Program(
            "/bin/sh", ["-c", shell, try Settings.required().binary],
            environment: settings.merging(recorded) { $1 }.merging(plain) { $1 }
        ).outcome()
        #expect(outcome.status == 0, "\(outcome)")
        #expect(outcome.output.contains("+ user"), "\(outcome)")
        expectNoSecret(in: programs.records("git"))
    }

    @Test func sopsGetsNoSecret() async throws {
        let tests = try Settings.required().repository + "/Tests"
        try programs.record(
            "sops",
            script: """
                [ "$1" = --version ] && exec echo 'sops 3.9.0'
                exec cat '\(tests)/Vectors/sops/decrypted/'"${4##*/}"
                """)
        _ = try await run([
            "import", "--sops", "\(tests)/Vectors/sops/secrets.yaml", "--folder", folder.path("out"),
        ])
        expectNoSecret(in: programs.records("sops"))
    }

    @Test func aCredentialProcessOfAWSGetsNoSecret() async throws {
        let script = try programs.script(
            "process", #"echo '{"Version": 1, "AccessKeyId": "AKIAEXAMPLE", "SecretAccessKey": "s"}'"#)
        let config = try folder.write(
            "config", "[default]\nregion = eu-west-1\ncredential_process = /bin/sh \(script)\n")
        let aws = [
            "SB_KMS_BACKEND": "aws-kms", "AWS_CONFIG_FILE": config, "AWS_EC2_METADATA_DISABLED": "true",
            "SB_KMS_AWS_KEY_ID":
                "arn:aws:kms:eu-west-1:111122223333:key/0d5f8f6e-5c1b-4a55-9a7e-1f1f0c1d2e3f",
            "AWS_ENDPOINT_URL_KMS": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1",
        ]
        // There is no KMS at that address.
        _ = try await run(
            ["wrap", "-n", "payments", "--name", "db", "--from-file", "k=/dev/null"], aws, status: 1)
        expectNoSecret(in: programs.records("process"))
    }

    @Test func aCredentialPluginGetsNoSecret() async throws {
        let plugin = try programs.script("plugin", "exit 1")
        let kubeconfig = try folder.write(
            "kubeconfig",
            """
            apiVersion: v1
            kind: Config
            current-context: c
            contexts: [{name: c, context: {cluster: c, user: u}}]
            clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
            users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/sh, \
            interactiveMode: Never, args: ["\(plugin)"]}}}]
            """)
        _ = try await run(["status", "-n", "payments"], ["KUBECONFIG": kubeconfig], status: 1)
        expectNoSecret(in: programs.records("plugin"))
    }
}
