package import Cryptography
import HTTP
import HTTPTypes
import JSON
import System

extension KubeClient {
    /// Requests a token of a service account (TokenRequest of authentication.k8s.io/v1).
    ///
    /// - Parameters:
    ///   - audience: The one audience of the token.
    ///   - seconds: The lifetime; the API server grants at least 600.
    package func requestToken(
        of serviceAccount: ObjectRef, audience: String, seconds: Int64 = 600
    ) async throws(KubeError) -> SharedSecret {
        var json = JSONSecretWriter()
        json.beginObject()
        for (key, value) in [("apiVersion", "authentication.k8s.io/v1"), ("kind", "TokenRequest")] {
            json.key(key)
            json.string(value)
        }
        json.key("spec")
        json.beginObject()
        json.key("audiences")
        json.beginArray()
        json.string(audience)
        json.endArray()
        json.key("expirationSeconds")
        json.number(seconds)
        json.endObject()
        json.endObject()
        let resource = Resource(group: "", version: "v1", kind: "ServiceAccount", plural: "serviceaccounts")
        let request = Request(
            method: .post,
            path: resource.path(
                namespace: serviceAccount.namespace, name: serviceAccount.name, subresource: "token"),
            body: .secret(SharedSecret(json.finish()), contentType: MediaType.json),
            activity: "requesting a token of ServiceAccount \(serviceAccount)")
        let response = try await connection.open(request, mode: .unary, idleTimeout: nil) { body in
            SharedSecret(try await body.collectSecret(upTo: Self.maximumTokenResponse))
        }
        guard let document = try? JSONValue(parsing: response.bytes),
            let token = document["status"]?["token"]?.nonEmptySecret
        else {
            throw KubeError(
                .malformedResponse, activity: request.activity, message: "the response has no token")
        }
        return token
    }

    private static var maximumTokenResponse: Int { 64 * 1024 }
}
