import Cryptography
import Envelope
import Foundation
import KMS
import Resources
import Testing

@testable import KubeClient

/// The namespace of one test, with its own master key.
struct TestNamespace: Sendable {
    let name: String
    let cluster: Cluster
    let key: LocalKeyManager
    /// The key in base64, for `SB_WRAP_MASTER_KEY`.
    let masterKey: String

    private init(_ cluster: Cluster) throws {
        let bytes = (0..<32).map { _ in UInt8.random(in: 0...255) }
        self.cluster = cluster
        name = "test-" + UUID().uuidString.lowercased().prefix(8)
        key = try LocalKeyManager(master: SharedSecret(copying: bytes))
        masterKey = Base64.encode(bytes)
    }

    /// Creates a namespace, and deletes it after `body` in any case.
    static func with(
        _ cluster: Cluster, _ body: (TestNamespace) async throws -> Void
    ) async throws {
        let namespace = try TestNamespace(cluster)
        try await namespace.create()
        do {
            try await body(namespace)
        } catch {
            await namespace.delete()
            throw error
        }
        await namespace.delete()
    }

    /// Creates a namespace in the shared cluster.
    static func withShared(_ body: (TestNamespace) async throws -> Void) async throws {
        try await with(try Settings.required().sharedCluster, body)
    }

    private func create() async throws {
        let body = #"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"\#(name)"}}"#
        try await eventually("namespace \(name) is created") {
            do throws(KubeError) {
                _ = try await cluster.admin.create(
                    .namespaces, ObjectRef(namespace: "", name: name), body: SharedSecret(copying: body.utf8))
            } catch  where error.code == .alreadyExists {}
            return true
        }
    }

    private func delete() async {
        try? await cluster.admin.delete(.namespaces, ObjectRef(namespace: "", name: name))
    }

    func ref(_ name: String) -> ObjectRef { ObjectRef(namespace: self.name, name: name) }

    func wrap(
        _ name: String, _ values: [String: String], scope: Scope = .strict,
        template: Manifest.Template? = nil, with key: (any KeyManager)? = nil
    ) async throws -> Manifest {
        try await Manifest(
            name, in: self.name, values, scope: scope, template: template, with: key ?? self.key)
    }

    /// Applies a manifest on the server side, as a GitOps engine does.
    @discardableResult
    func apply(_ manifest: Manifest) async throws -> ObjectMeta {
        try await cluster.admin.patch(
            WrappedSecret.resource, manifest.ref,
            .apply(body: SharedSecret(copying: try manifest.json()), fieldManager: "gitops", force: true))
    }

    @discardableResult
    func apply(
        _ name: String, _ values: [String: String], with key: (any KeyManager)? = nil
    ) async throws -> ObjectMeta {
        try await apply(try await wrap(name, values, with: key))
    }

    /// Applies many objects concurrently, each with one value.
    func applyAll(
        _ names: [String], with key: (any KeyManager)? = nil, _ value: @escaping @Sendable (String) -> String
    ) async throws {
        let taskCount = 16
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<taskCount {
                group.addTask {
                    for index in stride(from: task, to: names.count, by: taskCount) {
                        try await apply(names[index], ["k": value(names[index])], with: key)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    func wrappedSecret(_ name: String) async throws -> WrappedSecret {
        try await cluster.admin.get(WrappedSecret.self, ref(name))
    }

    /// Denies the creation of Secrets whose `label` has the name of this namespace while `body` runs.
    ///
    /// - Parameter denying: the webhook that denies it; nil registers an unreachable one.
    func withDeniedSecretCreation(
        label: String, by denying: DenyingWebhook? = nil, _ body: () async throws -> Void
    ) async throws {
        let authority = denying.map { #", "caBundle": "\#($0.certificate)""# } ?? ""
        let webhook = """
            {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
             "metadata": {"name": "\(name)"},
             "webhooks": [{"name": "closed.example.org", "sideEffects": "None", "admissionReviewVersions": ["v1"],
               "clientConfig": {"url": "\(denying?.url ?? "https://127.0.0.1:1/")"\(authority)}, "failurePolicy": "Fail",
               "objectSelector": {"matchLabels": {"\(label)": "\(name)"}},
               "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}]}]}
            """
        try await kubectl("apply", "-f", "-", input: Data(webhook.utf8))
        do {
            // The API server loads the webhook within moments.
            try await eventually("the webhook is in force") {
                let attempt = try await cluster.tryKubectl(
                    "-n", name, "create", "-f", "-", "--dry-run=server",
                    input: Data(
                        #"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x","labels":{"\#(label)":"\#(name)"}}}"#
                            .utf8))
                return attempt.status != 0
            }
            try await body()
        } catch {
            _ = try? await kubectl("delete", "validatingwebhookconfiguration", name)
            throw error
        }
        try await kubectl("delete", "validatingwebhookconfiguration", name)
    }

    /// Returns the number of WrappedSecrets with the reason Synced.
    func syncedCount() async throws -> Int {
        var synced = 0
        var token: String?
        repeat {
            let page = try await cluster.admin.list(
                WrappedSecret.self, Selection(namespace: name), continueToken: token)
            for case .object(let object) in page.items
            where object.status?.condition(.ready)?.reason == "Synced" { synced += 1 }
            token = page.continueToken
        } while token != nil
        return synced
    }

    /// Returns nil if the Secret does not exist.
    func secret(_ name: String) async throws -> SecretObject? {
        do throws(KubeError) {
            return try await cluster.admin.get(SecretObject.self, ref(name))
        } catch  where error.code == .notFound {
            return nil
        }
    }

    /// Runs kubectl in this namespace.
    @discardableResult
    func kubectl(_ arguments: String..., input: Data = Data()) async throws -> String {
        try await kubectl(arguments, input: input)
    }

    @discardableResult
    func kubectl(_ arguments: [String], input: Data = Data()) async throws -> String {
        let outcome = try await Program(
            cluster.kubectl, ["--kubeconfig", cluster.kubeconfig, "-n", name] + arguments, input: input
        ).outcome()
        guard outcome.status == 0 else {
            throw ProgramFailure(command: "kubectl " + arguments.joined(separator: " "), outcome: outcome)
        }
        return outcome.output
    }

    /// Waits until Ready has `reason` for the present generation.
    @discardableResult
    func reconciled(_ name: String, _ reason: Reason = .synced) async throws -> WrappedSecret {
        var seen = "nothing"
        do {
            return try await eventually("\(name) is \(reason.rawValue)") {
                let object = try await wrappedSecret(name)
                let ready = object.status?.condition(.ready)
                seen = ready.map { "\($0.status) \($0.reason): \($0.message)" } ?? "no condition Ready"
                let isNow = object.status?.observedGeneration == object.metadata.generation
                return isNow && ready?.reason == reason.rawValue ? object : nil
            }
        } catch let timeout as Timeout {
            throw Timeout(what: timeout.what, last: timeout.last ?? seen)
        }
    }

    /// Waits until the Secret satisfies `condition`.
    @discardableResult
    func secret(
        _ name: String, until what: String, _ condition: (SecretObject) throws -> Bool
    ) async throws -> SecretObject {
        try await eventually("Secret \(name): \(what)") {
            guard let secret = try await secret(name), try condition(secret) else { return nil }
            return secret
        }
    }
}
