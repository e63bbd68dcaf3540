import Foundation
import HTTP
import Primitives
import TestSupport

@testable import KubeClient

/// A kind with a field that has to be there.
struct Widget: KubeObject, Equatable {
    struct Spec: Decodable, Sendable, Equatable {
        let size: Int
        let names: [String]?
        let on: Bool?
    }

    struct WidgetStatus: Decodable, Sendable, Equatable {
        let said: String
    }

    typealias ObjectStatus = WidgetStatus

    static let resource = Resource(group: "example.io", version: "v1", kind: "Widget", plural: "widgets")
    let metadata: ObjectMeta
    let spec: Spec
}

/// Credentials that are renewed by being refused.
final class Renewing: CredentialSource {
    private let generation = Locked<UInt64>(0)

    func credential() async throws(ConfigurationError) -> Credential {
        let generation = generation.withLock { $0 }
        return Credential(
            authorization: SharedSecret(copying: "Bearer token-\(generation)".utf8), generation: generation)
    }

    func invalidate(_ used: Credential) async {
        generation.withLock { if $0 == used.generation { $0 += 1 } }
    }
}

extension KubeClient {
    /// Against `transport`, without waiting. `pauses` learns how long it would have waited.
    init(
        _ transport: FakeTransport, credentials: any CredentialSource = StaticCredential.none,
        pauses: Recorder<Duration>? = nil
    ) {
        let cluster = ClusterConfiguration(
            server: "https://api.test:6443", trust: .system, credentials: credentials)
        self.init(connection: Connection(cluster, transport: transport)) { pauses?.append($0) }
    }
}

func json(_ secret: SharedSecret) throws -> Any {
    try JSONSerialization.jsonObject(with: secret.bytes.withUnsafeBytes { Data($0) })
}

func decoded<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
    try JSONDecoder().decode(type, from: Data(text.utf8))
}

/// The error of a request that has to fail; nil where it does not.
func failure<Value>(
    _ body: () async throws(KubeError) -> Value
) async -> KubeError? {
    do throws(KubeError) {
        _ = try await body()
        return nil
    } catch {
        return error
    }
}
