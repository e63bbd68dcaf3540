import Cryptography
import Foundation
import HTTP
import JSON
import System
import TestSupport

@testable import KubeClient

/// A kind with a required field.
struct Widget: KubeObject, Equatable {
    struct Spec: JSONReadable, Sendable, Equatable {
        let size: Int
        let names: [String]?
        let on: Bool?

        init(json: inout JSONReader) throws(JSONError) {
            var size: Int?
            var names: [String]?
            var on: Bool?
            try json.readObject { key, json throws(JSONError) in
                switch key {
                case "size": size = try json.read()
                case "names": names = try json.readOptional()
                case "on": on = try json.readOptional()
                default: break
                }
            }
            self.size = try json.require(size, "size")
            self.names = names
            self.on = on
        }
    }

    struct WidgetStatus: JSONReadable, Sendable, Equatable {
        let message: String

        init(json: inout JSONReader) throws(JSONError) {
            var message: String?
            try json.readObject { key, json throws(JSONError) in
                if case "message" = key { message = try json.read() }
            }
            self.message = try json.require(message, "message")
        }
    }

    typealias ObjectStatus = WidgetStatus

    static let resource = Resource(group: "example.io", version: "v1", kind: "Widget", plural: "widgets")
    let metadata: ObjectMeta
    let spec: Spec

    init(json: inout JSONReader) throws(JSONError) {
        var metadata: ObjectMeta?
        var spec: Spec?
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "metadata": metadata = try json.read()
            case "spec": spec = try json.read()
            default: break
            }
        }
        self.metadata = try json.require(metadata, "metadata")
        self.spec = try json.require(spec, "spec")
    }
}

/// Credentials that change when the server refuses them.
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
    /// Makes a client of `transport` that does not wait, and records its delays in `pauses`.
    init(
        _ transport: FakeTransport, credentials: any CredentialSource = StaticCredential.none,
        pauses: Recorder<Duration>? = nil
    ) {
        let cluster = ClusterConfiguration(
            server: "https://api.test:6443", credentials: credentials)
        self.init(connection: APIConnection(cluster, transport: transport)) { pauses?.append($0) }
    }
}

func json(_ secret: SharedSecret) throws -> Any {
    try JSONSerialization.jsonObject(with: secret.bytes.withUnsafeBytes { Data($0) })
}

func decoded<Value: JSONReadable>(_ type: Value.Type, _ text: String) throws -> Value {
    try JSONReader.read(type, from: Array(text.utf8))
}

/// Returns the error that `body` throws, or nil if it throws none.
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
