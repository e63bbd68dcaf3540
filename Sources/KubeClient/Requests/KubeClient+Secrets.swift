package import Cryptography
import HTTP
import HTTPTypes

/// Reading what must not be copied about.
extension KubeClient {
    /// One object, as JSON in secret memory: for the few who are to see a Secret's data.
    ///
    /// - Parameter limit: in bytes; a longer answer is an error.
    package func getJSON(
        _ resource: Resource, _ ref: ObjectRef, limit: Int = KubeClient.maximumSecretSize
    ) async throws(KubeError) -> SharedSecret {
        let call = Request(
            method: .get, path: resource.path(namespace: ref.namespace, name: ref.name),
            activity: "reading \(resource.kind) \(ref)")
        return try await connection.open(call, lane: .unary, idleTimeout: nil) { body in
            SharedSecret(try await body.collectSecret(upTo: limit))
        }
    }

    /// A Secret has 1 MiB, which base64 and managedFields make larger.
    package static var maximumSecretSize: Int { 8 * 1024 * 1024 }
}
