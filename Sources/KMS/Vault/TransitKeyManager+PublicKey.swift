import Cryptography
import Envelope
import HTTPTypes
import JSON
import System

extension TransitKeyManager: PublicKeyExporting {
    /// Reads the newest version of the key: `GET <mount>/keys/<key>`, which needs the capability `read`.
    func exportPublicKey() async throws(KeyManagerError) -> RecipientKey {
        var request = VaultRequest(path: "\(mount)/keys/\(key)")
        request.method = .get
        let response = try await send(request)
        guard response.isSuccess else { throw KeyManagerError(error(response, request), keyID: keyID) }
        guard let type = response.data?["type"]?.string, let version = response.data?["latest_version"]?.int
        else { throw malformedResponse("no type and version of a key") }
        guard ["rsa-3072", "rsa-4096"].contains(type) else { throw unsupportedType(type) }
        guard let pem = response.data?["keys"]?["\(version)"]?["public_key"]?.string else {
            throw malformedResponse("no public key of version \(version)")
        }
        do {
            return try RecipientKey(
                keyID: keyID, keyVersion: "\(version)", publicKey: try RSAPublicKey(pem: pem))
        } catch {
            throw malformedResponse("a public key that is not usable (\(error))")
        }
    }

    private func unsupportedType(_ type: String) -> KeyManagerError {
        let remedy = "create one of type rsa-3072 or rsa-4096 and set \(VaultVariables.key) to it"
        guard type.hasPrefix("rsa-") || type.hasPrefix("ecdsa-") || type.hasPrefix("ed25519") else {
            return .notAsymmetric(keyID: keyID, remedy: remedy)
        }
        return KeyManagerError(
            .misconfigured, keyID: keyID,
            message: "the key is of type \(type.sanitizedName), which cannot wrap data keys; \(remedy)")
    }
}
