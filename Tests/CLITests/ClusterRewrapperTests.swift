import Cryptography
import Envelope
import KMS
import KubeClient
import Resources
import TestSupport
import Testing

@testable import CLI

/// Rewraps an object in a cluster whose API server accepts or refuses the patch.
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
        let cluster = ClusterConfiguration(server: "https://api.test")
        let work = ClusterRewrapper(
            keys: KeyRing(primary: new, others: [old]), strategy: .refresh,
            client: KubeClient(
                connection: APIConnection(
                    cluster, transport: FakeTransport(script: [list, .init(200, object)] + answers))),
            isDryRun: false)
        let reported = Recorder<RewrapResult>()
        try await work.rewrap(Selection()) { results in results.forEach(reported.append) }
        return reported.elements
    }

    @Test func reportsAWrittenObjectAsChanged() async throws {
        let results = try await rewrap(
            .init(200, #"{"metadata": {"namespace": "payments", "name": "db"}}"#))
        guard case .changed = results.first?.outcome else {
            Issue.record("\(results)")
            return
        }
    }

    @Test(arguments: [
        (403, "Forbidden", "kubectl auth can-i"), (404, "NotFound", "run the command again"),
        (409, "Conflict", "run the command again"),
        (422, "Invalid", "run the command again"),
    ])
    func reportsTheRemedyIfTheServerRefusesThePatch(status: Int, reason: String, remedy: String) async throws
    {
        let results = try await rewrap(.status(status, reason, "no"))
        guard case .failed(let problem) = results.first?.outcome else {
            Issue.record("\(results)")
            return
        }
        #expect(problem.contains(remedy), "\(problem)")
        #expect(!problem.contains("manifests/crds"))
    }

    /// The object lacks one of the manager's fields, so an apply of the others would give it up.
    @Test func namesAManagerWhoseFieldsCannotBeReconstructed() async throws {
        let results = try await rewrap(
            .init(200, #"{"metadata": {"namespace": "payments", "name": "db"}}"#),
            managedFields: """
                "managedFields": [{"manager": "argocd-controller", "operation": "Apply", "apiVersion":
                  "secrets-bridge.io/v1alpha1", "fieldsV1": {"f:spec": {"f:recipients": {}, "f:suspend": {}}}}],
                """)
        guard case .changed(let how) = results.first?.outcome else {
            Issue.record("\(results)")
            return
        }
        #expect(how.contains("argocd-controller no longer owns spec.recipients"), "\(how)")
    }
}

/// Reports the number of objects as the API server counts them.
struct ClusterProgressTests {
    /// Returns pages of malformed objects, which need no keys.
    private func pages(_ counts: [Int], remaining: [Int?]) -> FakeTransport {
        FakeTransport(
            script: zip(counts.indices, counts).map { page, count in
                let items = (0..<count).map {
                    #"{"metadata": {"namespace": "a", "name": "\#(page)-\#($0)"}}"#
                }.joined(separator: ",")
                var metadata = [#""resourceVersion": "1""#]
                if page < counts.count - 1 { metadata.append(#""continue": "t\#(page)""#) }
                if let left = remaining[page] { metadata.append(#""remainingItemCount": \#(left)"#) }
                let list = #"{"metadata": {\#(metadata.joined(separator: ","))}, "items": [\#(items)]}"#
                return FakeTransport.Response(200, list)
            })
    }

    private func rewrap(_ transport: FakeTransport) async throws -> [String] {
        let cluster = ClusterConfiguration(server: "https://api.test")
        let work = ClusterRewrapper(
            keys: try FakeKeyManager().keyRing, strategy: .refresh,
            client: KubeClient(connection: APIConnection(cluster, transport: transport)), isDryRun: true)
        let reported = Recorder<String>()
        try await work.rewrap(Selection(), expect: { reported.append("of \($0)") }) {
            reported.append("\($0.count)")
        }
        return reported.elements
    }

    @Test func addsTheRemainingCountToTheObjectsRead() async throws {
        let reported = try await rewrap(pages([3, 2, 1], remaining: [3, 2, nil]))
        // An object was created meanwhile.
        #expect(reported == ["of 6", "3", "of 7", "2", "of 6", "1"])
    }

    @Test func knowsTheTotalOnlyAtTheEndWithASelector() async throws {
        #expect(try await rewrap(pages([3, 2], remaining: [nil, nil])) == ["3", "of 5", "2"])
    }
}
