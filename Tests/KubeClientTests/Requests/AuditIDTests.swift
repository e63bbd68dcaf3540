import Cryptography
import HTTP
import HTTPTypes
import TestSupport
import Testing

@testable import KubeClient

/// Responses that were given to the wrong request, which the API server's identifiers of requests show.
struct AuditIDTests {
    private let ref = ObjectRef(namespace: "n", name: "a")
    private static let object = #"{"metadata":{"namespace":"n","name":"a"}}"#

    @Test func identifiesEachRequestOnceInTheFormOfAUUID() async throws {
        let transport = FakeTransport { _ in .init(200, Self.object) }
        for _ in 0..<3 { _ = try await KubeClient(transport).get(SecretMetadata.self, ref) }
        let ids = try transport.requests.map { try #require($0.fields[Self.name]) }
        #expect(Set(ids).count == 3)
        #expect(ids.allSatisfy { $0.wholeMatch(of: /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/) != nil })
    }

    /// An error would be taken for the state of the object too, such as that it does not exist.
    @Test(arguments: [200, 404, 422]) func refusesTheResponseToAnotherRequest(status: Int) async throws {
        let another = AuditID().description
        let client = client { _ in .init(status, Self.object, fields: [Self.name: another]) }
        for request in [read, write] {
            let error = await #expect(throws: KubeError.self) { try await request(client) }
            #expect(error?.code == .transport)
            #expect(error?.message == "the response belongs to another request")
        }
    }

    @Test func readsAgainAfterTheResponseToAnotherRequest() async throws {
        let another = AuditID().description
        let transport = FakeTransport(script: [
            .init(404, "", fields: [Self.name: another]), .init(200, Self.object),
        ])
        _ = try await KubeClient(transport).get(SecretMetadata.self, ref)
        #expect(transport.requests.count == 2)
    }

    /// Aggregated servers may return the field twice, and a proxy may have its own value.
    @Test func acceptsItsOwnAndForeignIdentifiers() async throws {
        let own = client { request in
            let id = request.fields[Self.name] ?? ""
            var fields: HTTPFields = [Self.name: id]
            fields.append(HTTPField(name: Self.name, value: id))
            return .init(200, Self.object, fields: fields)
        }
        let foreign = client { _ in
            .init(200, Self.object, fields: [Self.name: "3f8a1b1e-8c7b-4f7e-9a51-000000000001"])
        }
        for client in [own, foreign] {
            try await read(client)
            try await write(client)
        }
    }

    private static let name = AuditID.field ?? .accept

    private func client(
        _ respond: @escaping @Sendable (FakeTransport.Request) -> FakeTransport.Response
    ) -> KubeClient {
        KubeClient(FakeTransport { respond($0) })
    }

    private func read(_ client: KubeClient) async throws {
        _ = try await client.get(SecretMetadata.self, ref)
    }

    private func write(_ client: KubeClient) async throws {
        _ = try await client.create(.secrets, ref, body: SharedSecret(copying: "{}".utf8))
    }
}
