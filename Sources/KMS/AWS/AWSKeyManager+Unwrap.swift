import Cryptography
import Envelope
import JSON

extension AWSKeyManager: SingleUnwrapping, DiagnosableKeyManager, MaintainedKeyManager {
    func validate(_ request: UnwrapRequest) throws(KeyManagerError) {
        try check(request.recipient)
    }

    func unwrap(
        _ request: UnwrapRequest, timeout: Duration?
    ) async throws(KeyManagerError) -> UnwrapResult {
        try await decrypt(request.recipient, for: request.binding, timeout: timeout)
    }

    /// Rejects a recipient that KMS could not decrypt either, without a request.
    func check(_ recipient: Recipient) throws(KeyManagerError) {
        guard recipient.wrappedKey.utf8.count <= EnvelopeValidation.maximumWrappedKeyLength,
            let bytes = try? Base64.decode(recipient.wrappedKey), !bytes.isEmpty
        else {
            throw KeyManagerError(
                .invalidCiphertext, keyID: keyID,
                message: "the wrapped key is not canonical base64 of a KMS ciphertext")
        }
        guard !recipient.usesPublicKey || RecipientAlgorithm.isRSALength(bytes.count) else {
            throw .algorithmMismatch(recipient, keyID: keyID)
        }
        guard accepts(keyID: recipient.keyID) else {
            throw foreignKeyError()
        }
    }

    func foreignKeyError() -> KeyManagerError {
        KeyManagerError(
            .keyUnavailable, keyID: keyID,
            message:
                "the wrapping key belongs to another AWS account or Region; configure the key that wrapped the data "
                + "key, or wrap the values again",
            concernsOneCiphertext: true)
    }

    /// - Returns: The data key, or an error of this recipient alone.
    /// - Throws: An error that concerns all recipients, such as an outage of KMS.
    func decrypt(
        _ recipient: Recipient, for binding: Binding, timeout: Duration?
    ) async throws(KeyManagerError) -> Result<UnwrappedKey, KeyManagerError> {
        let source: AWSKeyARN
        do throws(KeyManagerError) {
            source = try await sourceKey(of: recipient, timeout: timeout)
        } catch {
            guard error.code == .invalidCiphertext || error.code == .keyUnavailable else { throw error }
            return .failure(error)
        }
        let request = decryptRequest(of: recipient, by: source.text, binding, timeout: timeout)
        do throws(AWSRequestError) {
            let body = try await kms.send(request).body
            guard body?["KeyId"]?.string.flatMap({ AWSKeyARN($0) }) == source else {
                throw wrongKeyError(request)
            }
            unusableKeys.recordSuccess(source)
            return .success(
                UnwrappedKey(key: try plaintext(in: body, request), keyVersion: keyMaterialID(in: body)))
        } catch  where error.code == .errorResponse(.invalidKeyUsage) {
            return .failure(.algorithmMismatch(recipient, keyID: recipient.keyID))
        } catch {
            if error.isPerKey { unusableKeys.recordUnusable(source) }
            guard error.isPerCiphertext else { throw KeyManagerError(error, keyID: keyID) }
            // With an alias, ciphertexts name any key of the account.
            return .failure(
                KeyManagerError(error, keyID: keyID, concernsOneCiphertext: source.text != keyID))
        }
    }

    func decryptRequest(of recipient: Recipient, by key: String, _ binding: Binding, timeout: Duration?)
        -> AWSRequest
    {
        var request = AWSRequest.kms(
            "Decrypt", key: key,
            .object(
                [("CiphertextBlob", .string(recipient.wrappedKey)), ("KeyId", .string(key))]
                    + AWSEncryptionAlgorithm.fields(isAsymmetric: recipient.usesPublicKey, binding)))
        if let timeout { request.timeout = timeout }
        return request
    }
}

/// Reads KMS's responses.
extension AWSKeyManager {
    func recipient(in body: JSONValue?, _ request: AWSRequest) throws(AWSRequestError) -> Recipient {
        let arn = try recordResolvedKey(body?["KeyId"]?.string, request)
        guard let wrapped = body?["CiphertextBlob"]?.string, !wrapped.isEmpty,
            wrapped.utf8.count <= EnvelopeValidation.maximumWrappedKeyLength,
            (try? Base64.decode(wrapped)) != nil
        else { throw malformedResponse(request, "no ciphertext") }
        return Recipient(
            keyID: arn.text, wrappedKey: wrapped,
            algorithm: try algorithm(in: body, ofWrappedKey: wrapped, request))
    }

    /// Decodes the data key inside secret memory.
    func plaintext(in body: JSONValue?, _ request: AWSRequest) throws(AWSRequestError) -> SharedSecret {
        guard let text = body?["Plaintext"]?.nonEmptySecret else {
            throw malformedResponse(request, "no plaintext")
        }
        do {
            return SharedSecret(
                try text.bytes.withUnsafeBytes { bytes throws(Base64.DecodingError) in
                    try Base64.decodeSecret(bytes)
                })
        } catch {
            throw malformedResponse(request, "a plaintext that is not base64")
        }
    }

    /// Returns the id of the key material that served: each rotation adds one. Nil if the response has none.
    func keyMaterialID(in body: JSONValue?) -> String? {
        body?["KeyMaterialId"]?.string.flatMap { AWSKeyARN.isValidID($0) ? $0 : nil }
    }

    func wrongKeyError(_ request: AWSRequest) -> AWSRequestError {
        AWSRequestError(
            .wrongKey,
            "\(kms.address.url) used another key for \(request.action) than \(request.resource ?? "the requested one"); "
                + "check that this address is AWS KMS")
    }

    func malformedResponse(_ request: AWSRequest, _ content: String) -> AWSRequestError {
        AWSRequestError(
            .malformedResponse,
            "\(kms.address.url) responds to \(request.action) with \(content); check that this address is AWS KMS, and "
                + "that no proxy changes responses")
    }

    func withMappedErrors<Value>(
        _ body: () async throws(AWSRequestError) -> Value
    ) async throws(KeyManagerError) -> Value {
        do {
            return try await body()
        } catch {
            throw KeyManagerError(error, keyID: keyID)
        }
    }
}
