import Foundation
import TestSupport
import Testing

/// `secrets-bridge controller` as it runs in a pod, with only the permissions of manifests/base/rbac.yaml.
final class ControllerProgram {
    let program: Program
    private let folder: TemporaryFolder

    private init(_ program: Program, _ folder: TemporaryFolder) {
        self.program = program
        self.folder = folder
    }

    var log: String { program.errors }

    /// Runs a controller for `namespace` during `body`, then terminates it as Kubernetes does.
    ///
    /// - Parameter credentialPlugin: A shell script that prints the token of the file `$1`, for a kubeconfig with a credential plugin.
    static func with(
        _ namespace: TestNamespace, _ environment: [String: String], _ arguments: [String] = [],
        credentialPlugin: String? = nil, _ body: (ControllerProgram) async throws -> Void
    ) async throws {
        let settings = try Settings.required()
        try await settings.installRole()
        let folder = try TemporaryFolder()
        let kubeconfig = folder.path("kubeconfig")
        try await namespace.cluster.script("kubeconfig-for", "secrets-bridge", "secrets-bridge", kubeconfig)
        if let credentialPlugin {
            let user = """
                exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/sh, interactiveMode: Never, \
                args: ["\(credentialPlugin)", "\(kubeconfig).token"]}
                """
            let text = try folder.read("kubeconfig").replacing(/tokenFile: "[^"]*"/, with: user)
            try folder.write("kubeconfig", text)
        }
        let program = try Program(
            settings.binary,
            [
                "controller", "--kubeconfig", kubeconfig, "--watch-namespace", namespace.name,
                "--metrics-address", "127.0.0.1:0",
            ] + arguments,
            environment: environment)
        let controller = ControllerProgram(program, folder)
        defer { withExtendedLifetime(folder) {} }
        do {
            try await eventually("the caches are complete") { controller.log.contains("caches complete") }
            try await body(controller)
        } catch {
            program.signal(SIGTERM)
            Issue.record("the end of the controller's log:\n\(controller.log.suffix(4000))")
            throw error
        }
        program.signal(SIGTERM)
        let outcome = try await program.outcome()
        #expect(outcome.status == 0, "\(outcome.errors.suffix(2000))")
    }

    /// Returns a client for its metrics and health.
    func status() throws -> StatusClient { try StatusClient(log: log) }

    /// Returns the log lines about the KMS.
    func kmsLogLines() throws -> [Announcement] {
        try log.split(separator: "\n").filter { $0.contains("keymgmt") }.map {
            try JSONDecoder().decode(Announcement.self, from: Data($0.utf8))
        }
    }

    struct Announcement: Decodable, Equatable {
        var level: String
        var msg: String
        var keyID: String

        enum CodingKeys: String, CodingKey {
            case level, msg
            case keyID = "key_id"
        }
    }
}
