import Cryptography
import Foundation
import HTTP
import HTTPTypes
import TestSupport
import Testing

@testable import KubeClient

/// The HTTP request of each verb.
@Suite struct VerbsTests {
    private let ref = ObjectRef(namespace: "pay ments", name: "d/b")
    private let transport = FakeTransport { _ in
        .init(200, #"{"metadata":{"name":"d/b","namespace":"pay ments","uid":"u","resourceVersion":"7"}}"#)
    }

    private func request(_ body: (KubeClient) async throws -> Void) async throws -> FakeTransport.Request {
        try await body(KubeClient(transport))
        return try #require(transport.requests.last)
    }

    @Test func getsMetadata() async throws {
        let request = try await request { _ = try await $0.get(SecretMetadata.self, ref) }
        #expect(request.line == "GET /api/v1/namespaces/pay%20ments/secrets/d%2Fb")
        #expect(request.fields[.accept] == "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
        #expect(request.fields[.contentType] == nil)
        #expect(request.body.isEmpty)
        #expect(request.mode == .unary)
    }

    /// libcurl and proxies would resolve it to another URL.
    @Test(arguments: [".", ".."]) func sendsNothingForADotSegment(name: String) async throws {
        for ref in [ObjectRef(namespace: "n", name: name), ObjectRef(namespace: name, name: "db")] {
            let error = await #expect(throws: KubeError.self) {
                _ = try await KubeClient(transport).get(SecretMetadata.self, ref)
            }
            #expect(error?.code == .badRequest)
        }
        #expect(transport.requests.isEmpty)
    }

    /// Whatever delivered it, the state of one object must not become that of another.
    @Test(arguments: [("other", "payments"), ("db", "billing"), ("db", nil)])
    func refusesAResponseAboutAnotherObject(name: String, namespace: String?) async throws {
        let place = namespace.map { #","namespace":"\#($0)""# } ?? ""
        let client = KubeClient(
            FakeTransport { _ in
                .init(
                    200,
                    #"{"metadata":{"name":"\#(name)"\#(place),"uid":"u","resourceVersion":"7"},"spec":{}}"#)
            })
        let ref = ObjectRef(namespace: "payments", name: "db")
        let body = SharedSecret(copying: "{}".utf8)
        let requests: [@Sendable () async throws -> Void] = [
            { _ = try await client.get(SecretMetadata.self, ref) },
            { _ = try await client.get(Lease.self, ref) },
            { _ = try await client.getMetadata(Widget.resource, ref) },
            { _ = try await client.create(.secrets, ref, body: body) },
            { _ = try await client.create(Widget.resource, ref, body: body, isDryRun: true) },
            { _ = try await client.patch(.secrets, ref, .merge(body: [])) },
            { _ = try await client.patch(Widget.resource, ref, subresource: "status", .merge(body: [])) },
        ]
        for request in requests {
            let error = await #expect(throws: KubeError.self) { try await request() }
            #expect(error?.code == .transport)
            #expect(error?.message.hasPrefix("the response is about another object, ") == true)
        }
    }

    @Test func listsAPage() async throws {
        let transport = FakeTransport { _ in .init(200, #"{"metadata":{},"items":[]}"#) }
        _ = try await KubeClient(transport).list(Widget.self, Selection(), limit: 3, continueToken: "a+b=")
        #expect(transport.requests[0].line == "GET /apis/example.io/v1/widgets?limit=3&continue=a%2Bb%3D")
        #expect(transport.requests[0].fields[.accept] == "application/json")
    }

    @Test func createsAnObject() async throws {
        let body = SharedSecret(copying: "{}".utf8)
        let request = try await request {
            let created = try await $0.create(.secrets, ref, body: body)
            #expect(created.resourceVersion == "7")
        }
        #expect(request.line == "POST /api/v1/namespaces/pay%20ments/secrets?fieldManager=secrets-bridge")
        #expect(request.fields[.contentType] == "application/json")
        #expect(request.fields[.accept] == "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
        #expect(request.text == "{}")
    }

    @Test func sendsAJSONPatch() async throws {
        let patch = JSONPatch { $0.add("/a", "b") }
        let request = try await request { _ = try await $0.patch(.secrets, ref, .json(patch)) }
        #expect(request.method == .patch)
        #expect(request.query == ["fieldManager=secrets-bridge"])
        #expect(request.fields[.contentType] == "application/json-patch+json")
        #expect(request.text == #"[{"op":"add","path":"/a","value":"b"}]"#)
    }

    @Test func sendsAMergePatchOfTheStatus() async throws {
        let request = try await request {
            _ = try await $0.patch(
                Widget.resource, ref, subresource: "status", .merge(body: Array("{}".utf8)))
        }
        #expect(request.path.hasSuffix("/widgets/d%2Fb/status"))
        #expect(request.fields[.contentType] == "application/merge-patch+json")
    }

    @Test func sendsAServerSideApply() async throws {
        let request = try await request {
            _ = try await $0.patch(
                .secrets, ref,
                .apply(body: SharedSecret(copying: "{}".utf8), fieldManager: "me & you", force: false))
        }
        #expect(request.query == ["fieldManager=me%20%26%20you", "force=false"])
        #expect(request.fields[.contentType] == "application/apply-patch+yaml")
    }

    @Test func deletesWithPreconditions() async throws {
        let request = try await request {
            try await $0.delete(
                .secrets, ref, preconditions: DeletePreconditions(uid: "u", resourceVersion: "7"))
        }
        #expect(request.line == "DELETE /api/v1/namespaces/pay%20ments/secrets/d%2Fb")
        let options = try #require(
            try JSONSerialization.jsonObject(with: Data(request.body)) as? [String: any Sendable])
        #expect(options["preconditions"] as? [String: String] == ["uid": "u", "resourceVersion": "7"])
        #expect(options["kind"] as? String == "DeleteOptions")
    }

    @Test(arguments: [
        ("azAZ09-._~", "azAZ09-._~"), ("a b/c", "a%20b%2Fc"), ("%=&?#+", "%25%3D%26%3F%23%2B"),
        ("é\u{0}", "%C3%A9%00"),
    ]) func percentEncodesReservedCharacters(text: String, encoded: String) {
        #expect(percentEncoded(text) == encoded)
    }

    @Test func sendsImpersonationHeaders() async throws {
        var cluster = ClusterConfiguration(server: "https://api.test")
        cluster.impersonation = .init(
            user: "jane", groups: ["dev", "ops"], extra: [.init(key: "acme.com/project", values: ["x"])])
        let client = KubeClient(connection: APIConnection(cluster, transport: transport))
        _ = try await client.get(SecretMetadata.self, ref)
        let fields = try #require(transport.requests.last?.fields)
        #expect(
            fields.map { "\($0.name.rawName)=\($0.value)" }.filter { $0.hasPrefix("Impersonate") } == [
                "Impersonate-User=jane", "Impersonate-Group=dev", "Impersonate-Group=ops",
                "Impersonate-Extra-acme.com%2Fproject=x",
            ])
    }
}
