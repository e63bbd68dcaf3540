import Cryptography
import Envelope
import KMS
import KubeClient
import Resources
import TestSupport
import Testing

@testable import CLI

/// What becomes of a row of a cluster whose patch the server does not take.
struct ClusterRewrapperTests {
    private func rewrap(
        _ answers: FakeTransport.Response..., managedFields: String = ""
    ) async throws -> [RewrapResult] {
        let old = try LocalKeyManager(master: SharedSecret(copying: [UInt8](repeating: 1, count: 32)))
        let new = try LocalKeyManager(master: SharedSecret(copying: [UInt8](repeating: 2, count: 32)))
        let fields = try await Envelope.seal(
            [SecretEntry(name: "password", value: SharedSecret(copying: canary.utf8))],
            binding: try Binding(scope: .strict, namespace: "payments", secretName: "db"), with: old,
            recipients: []
        ).fields
        let object = """
            {"metadata": {"namespace": "payments", "name": "db", "uid": "u", "generation": 1, "resourceVersion": "5",
                \(managedFields)
                "labels": {"a": "1"}, "finalizers": ["x/y"]},
              "spec": {"format": "v1", "scope": "strict", "mac": "\(fields.mac)",
                "data": {"password": "\(fields.data["password"] ?? "")"},
                "recipients": [{"keyID": "\(fields.recipients[0].keyID)", "wrappedKey": "\(fields.recipients[0].wrappedKey)"}]}}
            """
        let list = FakeTransport.Response(
            200, #"{"metadata": {"resourceVersion": "1"}, "items": [\#(object)]}"#)
        let cluster = ClusterConfiguration(server: "https://api.test", trust: .system)
        let work = ClusterRewrapper(
            keys: KeyRing(primary: new, others: [old]), order: .refresh,
            client: KubeClient(
                connection: APIConnection(
                    cluster, transport: FakeTransport(script: [list, .init(200, object)] + answers))),
            isDryRun: false)
        let told = Recorder<RewrapResult>()
        try await work.rewrap(Selection()) { rows in rows.forEach(told.append) }
        return told.elements
    }

    @Test func whatIsWrittenIsMoved() async throws {
        let rows = try await rewrap(
            .init(200, #"{"metadata": {"namespace": "payments", "name": "db"}}"#))
        guard case .changed = rows.first?.outcome else {
            Issue.record("\(rows)")
            return
        }
    }

    @Test(arguments: [
        (403, "Forbidden", "kubectl auth can-i"), (404, "NotFound", "run this again"),
        (409, "Conflict", "run this again"),
        (422, "Invalid", "run this again"),
    ])
    func aRefusalSaysWhatToDo(status: Int, reason: String, says: String) async throws {
        let rows = try await rewrap(.status(status, reason, "no"))
        guard case .failed(let why) = rows.first?.outcome else {
            Issue.record("\(rows)")
            return
        }
        #expect(why.contains(says), "\(why)")
        #expect(!why.contains("manifests/crds"))
    }

    /// A field of the manager that the object lacks: to apply the rest would give it up.
    @Test func aManagerWhoseFieldsCannotBeReadIsNamed() async throws {
        let rows = try await rewrap(
            .init(200, #"{"metadata": {"namespace": "payments", "name": "db"}}"#),
            managedFields: """
                "managedFields": [{"manager": "argocd-controller", "operation": "Apply", "apiVersion":
                  "secrets-bridge.io/v1alpha1", "fieldsV1": {"f:spec": {"f:recipients": {}, "f:suspend": {}}}}],
                """)
        guard case .changed(let how) = rows.first?.outcome else {
            Issue.record("\(rows)")
            return
        }
        #expect(how.contains("argocd-controller no longer owns spec.recipients"), "\(how)")
    }
}
