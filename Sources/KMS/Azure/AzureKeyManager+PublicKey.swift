import Cryptography
import Envelope
import HTTPTypes
import JSON

extension AzureKeyManager: PublicKeyExporting {
    static let getAction = "getKey"

    /// Reads the configured version of the key, or the newest one, which needs the permission to get keys.
    func exportPublicKey() async throws(KeyManagerError) -> RecipientKey {
        let version = configuredVersion.map { "/\($0)" } ?? ""
        let request = CloudRequest(
            method: .get, path: "/keys/\(key.name)\(version)?api-version=\(Self.apiVersion)",
            action: Self.getAction, resource: key.url + version)
        do throws(CloudError) {
            return try await client.send(request) { response throws(CloudError) in
                try publicKey(in: response.body?["key"], request)
            }
        } catch {
            throw KeyManagerError(error, keyID: keyID)
        }
    }

    /// Reads a JWK (RFC 7517): `{"kid": "https://…", "kty": "RSA", "n": "<base64url>", "e": "AQAB"}`.
    private func publicKey(in jwk: JSONValue?, _ request: CloudRequest) throws(CloudError) -> RecipientKey {
        guard let kid = jwk?["kid"]?.string, let type = jwk?["kty"]?.string else {
            throw malformedResponse(request, "no kid and kty of a key")
        }
        guard let version = key.version(inKid: kid), configuredVersion == nil || version == configuredVersion
        else { throw wrongKeyError(request) }
        guard ["RSA", "RSA-HSM"].contains(type) else { throw unsupportedKey("is not an RSA key") }
        let modulus = try number("n", in: jwk, request)
        let exponent = try number("e", in: jwk, request)
        do {
            return try RecipientKey(
                keyID: key.keyID(version: version), keyVersion: nil,
                publicKey: try RSAPublicKey(modulus: modulus, exponent: exponent))
        } catch RSAPublicKey.ReadingError.unsupportedSize(let bits) {
            throw unsupportedKey("has \(bits) bits")
        } catch {
            throw malformedResponse(request, "a public key that is not usable (\(error))")
        }
    }

    private func number(
        _ field: String, in jwk: JSONValue?, _ request: CloudRequest
    ) throws(CloudError) -> [UInt8] {
        guard let text = jwk?[field]?.nonEmptySecret,
            let bytes = try? text.bytes.withUnsafeBytes({ bytes throws(Base64.DecodingError) in
                try Base64URL.decodeSecret(bytes)
            })
        else { throw malformedResponse(request, "no \(field) of an RSA key in base64url") }
        return bytes.withUnsafeBytes { Array($0) }
    }

    private func unsupportedKey(_ problem: String) -> CloudError {
        CloudError(
            .misconfigured,
            "\(key.url) \(problem); set \(AzureSettings.keyVariable) to an RSA key of 3072 or 4096 bits with the operations "
                + "wrapKey and unwrapKey")
    }
}
