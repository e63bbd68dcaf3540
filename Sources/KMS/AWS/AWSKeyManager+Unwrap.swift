import Cryptography
import Envelope
import YAML

extension AWSKeyManager: BatchUnwrapping {
    /// KMS takes one ciphertext a request.
    var maximumBatch: Int { 1 }

    func validate(_ request: UnwrapRequest) throws(KeyManagerError) {
        try check(request.recipient)
    }

    func unwrap(
        _ requests: [UnwrapRequest], timeout: Duration?
    ) async throws(KeyManagerError) -> [UnwrapResult] {
        var results: [UnwrapResult] = []
        for request in requests {
            results.append(try await decrypt(request.recipient, for: request.binding, timeout: timeout))
        }
        return results
    }

    /// Refuses what no request need be made for.
    func check(_ recipient: Recipient) throws(KeyManagerError) {
        guard recipient.wrappedKey.utf8.count <= EnvelopeValidation.maximumWrappedKeyLength,
            let bytes = try? Base64.decode(recipient.wrappedKey), !bytes.isEmpty
        else {
            throw KeyManagerError(
                .invalidCiphertext, keyID: keyID,
                message: "the wrapped key is not canonical base64 of a KMS ciphertext")
        }
        guard accepts(keyID: recipient.keyID) else {
            throw KeyManagerError(
                .keyUnavailable, keyID: keyID,
                message:
                    "the row's key is not of this account and Region; configure the key that wrapped it, or "
                    + "wrap the values again")
        }
    }

    /// Errors: KMS did not serve. What is wrong with the row is the result.
    func decrypt(
        _ recipient: Recipient, for binding: Binding, timeout: Duration?
    ) async throws(KeyManagerError) -> Result<UnwrappedKey, KeyManagerError> {
        let source: AWSKeyARN
        do throws(KeyManagerError) {
            source = try await self.sourceKey(of: recipient, timeout: timeout)
        } catch {
            guard error.code == .invalidCiphertext || error.code == .keyUnavailable else { throw error }
            return .failure(error)
        }
        let call = decryptRequest(of: recipient.wrappedKey, by: source.text, binding, timeout: timeout)
        do throws(AWSRequestError) {
            let body = try await kms.send(call).body
            guard body?["KeyId"]?.string.flatMap({ AWSKeyARN($0) }) == source else {
                throw wrongKeyError(call)
            }
            keyRecovery.recordSuccess(source)
            return .success(
                UnwrappedKey(key: try plaintext(in: body, call), version: keyMaterialID(in: body)))
        } catch {
            if error.isPerKey { keyRecovery.recordRefusal(source) }
            guard error.isPerCiphertext else { throw KeyManagerError(error, keyID: keyID) }
            return .failure(KeyManagerError(error, keyID: keyID))
        }
    }

    func decryptRequest(of wrapped: String, by key: String, _ binding: Binding, timeout: Duration?)
        -> AWSRequest
    {
        var call = AWSRequest.kms(
            "Decrypt", key: key,
            [
                "CiphertextBlob": .string(wrapped), "KeyId": .string(key),
                "EncryptionContext": AWSEncryptionContext.json(binding),
            ])
        if let timeout { call.timeout = timeout }
        return call
    }
}
