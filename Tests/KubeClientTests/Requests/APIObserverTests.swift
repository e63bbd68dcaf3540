import HTTP
import HTTPTypes
import System
import TestSupport
import Testing

@testable import KubeClient

@Suite struct APIObserverTests {
    private final class Observer: APIObserver {
        let observed = Recorder<String>()

        func requestCompleted(_ request: APIRequestRecord) {
            let outcome =
                switch request.outcome {
                case .responded(let status): "\(status)"
                case .failed(let code): code.rawValue
                }
            observed.append("\(request.verb) \(request.resource) \(outcome)")
        }
    }

    private let observer = Observer()

    private func client(
        _ transport: FakeTransport, _ credentials: any CredentialSource = StaticCredential.none
    )
        -> KubeClient
    {
        let cluster = ClusterConfiguration(
            server: "https://api.test", credentials: credentials)
        return KubeClient(connection: APIConnection(cluster, transport: transport, observer: observer)) { _ in
        }
    }

    @Test(
        arguments: [
            (.get, "/api/v1/secrets", "", "list secrets"),
            (.get, "/api/v1/secrets", "watch", "watch secrets"),
            (.get, "/api/v1/namespaces/watch/secrets", "", "list secrets"),
            (.get, "/api/v1/namespaces/a/secrets/b", "", "get secrets"),
            (.post, "/api/v1/namespaces/a/secrets", "", "create secrets"),
            (.get, "/api/v1/namespaces/a", "", "get namespaces"),
            (.get, "/api/v1/namespaces", "", "list namespaces"),
            (
                .patch, "/apis/secrets-bridge.io/v1alpha1/namespaces/a/wrappedsecrets/b/status", "",
                "patch wrappedsecrets/status"
            ),
            (.get, "/apis/secrets-bridge.io/v1alpha1/wrappedsecrets", "watch", "watch wrappedsecrets"),
            (.put, "/apis/coordination.k8s.io/v1/namespaces/a/leases/b", "", "update leases"),
            (.delete, "/api/v1/namespaces/namespaces/secrets/secrets", "", "delete secrets"),
        ] as [(HTTPRequest.Method, String, String, String)])
    func reportsVerbAndResource(method: HTTPRequest.Method, path: String, query: String, expected: String) {
        var request = KubeClient.Request(method: method, path: path, activity: "")
        if !query.isEmpty { request.query = [(query, "true")] }
        #expect("\(request.verbAndResource.verb) \(request.verbAndResource.resource)" == expected)
    }

    @Test func observesEveryAttemptAndEveryRenewal() async throws {
        let statuses = Locked([500, 401, 200])
        let transport = FakeTransport { _ in
            let status = statuses.withLock { $0.removeFirst() }
            return status == 200
                ? .init(200, #"{"metadata":{"namespace":"a","name":"b"}}"#) : .status(status, "Reason")
        }
        _ = try await client(transport, Renewing()).get(
            SecretMetadata.self, ObjectRef(namespace: "a", name: "b"))
        #expect(observer.observed.elements == ["get secrets 500", "get secrets 401", "get secrets 200"])
    }

    @Test func observesRequestsWithoutAResponse() async throws {
        let transport = FakeTransport { _ in
            throw HTTPError(.connectFailed, activity: "connecting", detail: "refused")
        }
        _ = await failure { () throws(KubeError) in
            try await client(transport).delete(.secrets, ObjectRef(namespace: "a", name: "b"))
        }
        #expect(observer.observed.elements == ["delete secrets transport"])
    }
}
