import Cryptography
import Envelope
import JSON

extension GCPKeyManager: SingleUnwrapping, MaintainedKeyManager {
    func validate(_ request: UnwrapRequest) throws(KeyManagerError) {
        try check(request.recipient)
    }

    func unwrap(
        _ request: UnwrapRequest, timeout: Duration?
    ) async throws(KeyManagerError) -> UnwrapResult {
        try await unwrap(request.recipient, for: request.binding, timeout: timeout)
    }

    /// Rejects a recipient that Cloud KMS could not decrypt either, without a request.
    func check(_ recipient: Recipient) throws(KeyManagerError) {
        guard accepts(keyID: recipient.keyID) else {
            throw KeyManagerError(
                .keyUnavailable, keyID: keyID,
                message: "another key wrapped the data key; configure that key, or wrap the values again")
        }
        guard !recipient.usesPublicKey else { throw .algorithmMismatch(recipient, keyID: keyID) }
        guard recipient.wrappedKey.utf8.count <= EnvelopeValidation.maximumWrappedKeyLength,
            let bytes = try? Base64.decode(recipient.wrappedKey), !bytes.isEmpty
        else {
            throw KeyManagerError(
                .invalidCiphertext, keyID: keyID,
                message: "the wrapped key is not canonical base64 of a Cloud KMS ciphertext")
        }
    }

    /// - Returns: The data key, or an error of this recipient alone.
    /// - Throws: An error that concerns all recipients, such as an outage of Cloud KMS.
    func unwrap(
        _ recipient: Recipient, for binding: Binding, timeout: Duration?
    ) async throws(KeyManagerError) -> Result<UnwrappedKey, KeyManagerError> {
        // Read before the request, so that a key that is rotated meanwhile is not reported with its new version.
        let hasTime = timeout.map { $0 > GCPPrimaryVersion.timeout * 2 } ?? true
        let primary = hasTime ? await primaryVersion.number() : nil
        do throws(CloudError) {
            let decrypted = try await decrypt(recipient, for: binding, timeout: timeout)
            unusableCiphertexts.recordSuccess(recipient.wrappedKey)
            return .success(
                UnwrappedKey(
                    key: decrypted.key,
                    keyVersion: decrypted.usedPrimary
                        ? primary ?? GCPPrimaryVersion.primary : GCPPrimaryVersion.earlier))
        } catch {
            if error.code == .keyUnavailable { unusableCiphertexts.recordUnusable(recipient.wrappedKey) }
            guard !error.concernsAllRequests else { throw KeyManagerError(error, keyID: keyID) }
            return .failure(KeyManagerError(error, keyID: keyID))
        }
    }

    /// A data key, and whether the primary version of the key wrapped it.
    struct DecryptedKey: Sendable {
        let key: SharedSecret
        let usedPrimary: Bool
    }

    func decrypt(
        _ recipient: Recipient, for binding: Binding, timeout: Duration?
    ) async throws(CloudError) -> DecryptedKey {
        let ciphertext = (try? Base64.decode(recipient.wrappedKey)) ?? []
        var request = CloudRequest(
            path: "/v1/\(key.text):decrypt",
            body: .object(
                [
                    ("ciphertext", .string(recipient.wrappedKey)),
                    ("ciphertextCrc32c", .string("\(CRC32C.checksum(ciphertext))")),
                ] + Self.associatedData(of: binding)), action: "cloudkms.cryptoKeyVersions.useToDecrypt",
            resource: key.text, operation: .unwrap)
        if let timeout { request.timeout = timeout }
        let sent = request
        return try await kms.send(sent) { response throws(CloudError) in
            DecryptedKey(
                key: try plaintext(in: response.body, sent),
                // Left out if it is false.
                usedPrimary: response.body?["usedPrimary"]?.bool == true)
        }
    }

    /// Decodes the data key inside secret memory, and compares its checksum.
    private func plaintext(in body: JSONValue?, _ request: CloudRequest) throws(CloudError) -> SharedSecret {
        try kms.gcpPlaintext(in: body, request)
    }
}

extension CloudClient {
    /// Decodes the data key in a response of Cloud KMS inside secret memory, and compares its checksum.
    func gcpPlaintext(in body: JSONValue?, _ request: CloudRequest) throws(CloudError) -> SharedSecret {
        guard let text = body?["plaintext"]?.nonEmptySecret else {
            throw malformedGCPResponse(request, "no plaintext")
        }
        let key: SharedSecret
        do throws(Base64.DecodingError) {
            key = SharedSecret(
                try text.bytes.withUnsafeBytes { bytes throws(Base64.DecodingError) in
                    try Base64.decodeSecret(bytes)
                })
        } catch {
            throw malformedGCPResponse(request, "a plaintext that is not base64")
        }
        guard
            GCPKeyManager.checksum(body?["plaintextCrc32c"])
                == key.bytes.withUnsafeBytes({ CRC32C.checksum($0) })
        else { throw corruptedGCPResponse(request) }
        return key
    }
}

extension GCPKeyManager: GCPSelfTesting {
    static var wrappingPermission: String { "useToEncrypt" }

    func decryptRandomBytes() async throws {
        let invalid = Recipient(keyID: keyID, wrappedKey: Base64.encode(try randomBytes(count: 113)))
        _ = try await decrypt(invalid, for: try SelfTestResult.testBinding(), timeout: nil)
    }
}
