import Cryptography
import Envelope
import JSON

extension AzureKeyManager: SingleUnwrapping, DiagnosableKeyManager, MaintainedKeyManager {
    func validate(_ request: UnwrapRequest) throws(KeyManagerError) {
        _ = try wrappedKey(in: request.recipient)
    }

    func unwrap(
        _ request: UnwrapRequest, timeout: Duration?
    ) async throws(KeyManagerError) -> UnwrapResult {
        try await decrypt(request.recipient, timeout: timeout)
    }

    /// The wrapped key of a recipient, and the version that unwraps it.
    private struct WrappedKey {
        let version: String
        let algorithm: AzureWrapAlgorithm
        let bytes: [UInt8]
    }

    /// Rejects a recipient that Azure could not unwrap either, or that another key wrapped, without a request.
    private func wrappedKey(in recipient: Recipient) throws(KeyManagerError) -> WrappedKey {
        guard let version = key.version(inKeyID: recipient.keyID) else {
            throw KeyManagerError(
                .keyUnavailable, keyID: keyID,
                message:
                    "the wrapping key is not a version of \(key.url); configure the key that wrapped the data key, or "
                    + "wrap the values again",
                concernsOneCiphertext: true)
        }
        guard recipient.wrappedKey.utf8.count <= EnvelopeValidation.maximumWrappedKeyLength,
            let bytes = try? Base64.decode(recipient.wrappedKey),
            let algorithm = AzureWrapAlgorithm.algorithm(ofWrappedKey: bytes.count, in: key.vault)
        else {
            throw KeyManagerError(
                .invalidCiphertext, keyID: keyID,
                message: "the wrapped key is not canonical base64 of a key that Azure wrapped")
        }
        // Recipients that Azure wrapped name no algorithm: the length of the wrapped key tells it.
        guard !recipient.usesPublicKey || RecipientAlgorithm.isRSALength(bytes.count) else {
            throw .algorithmMismatch(recipient, keyID: keyID)
        }
        return WrappedKey(version: version, algorithm: algorithm, bytes: bytes)
    }

    /// - Returns: The data key, or an error of this recipient alone.
    /// - Throws: An error that concerns all recipients, such as an outage of Azure.
    func decrypt(
        _ recipient: Recipient, timeout: Duration?
    ) async throws(KeyManagerError) -> Result<UnwrappedKey, KeyManagerError> {
        let wrapped: WrappedKey
        do throws(KeyManagerError) {
            wrapped = try wrappedKey(in: recipient)
        } catch {
            return .failure(error)
        }
        do throws(CloudError) {
            let dataKey = try await unwrap(
                wrapped.bytes, with: wrapped.algorithm, wrapped.version, timeout: timeout)
            unusableVersions.recordSuccess(wrapped.version)
            return .success(UnwrappedKey(key: dataKey, keyVersion: wrapped.version))
        } catch {
            if error.code == .keyUnavailable { unusableVersions.recordUnusable(wrapped.version) }
            guard !error.concernsAllRequests else { throw KeyManagerError(error, keyID: keyID) }
            return .failure(
                KeyManagerError(
                    error, keyID: keyID, concernsOneCiphertext: wrapped.version != wrappingVersion))
        }
    }

    private func unwrap(
        _ bytes: [UInt8], with algorithm: AzureWrapAlgorithm, _ version: String?, timeout: Duration?
    ) async throws(CloudError) -> SharedSecret {
        var request = CloudRequest(
            path: path(version, "unwrapkey"),
            body: ["alg": .string(algorithm.rawValue), "value": .string(Base64URL.encode(bytes))],
            action: "unwrapKey", resource: key.url + (version.map { "/\($0)" } ?? ""), operation: .unwrap)
        if let timeout { request.timeout = timeout }
        return try await client.send(request) { response throws(CloudError) in
            let served = try self.version(in: response, request)
            guard version == nil || served == version else { throw wrongKeyError(request) }
            return try value(in: response, request)
        }
    }
}

extension AzureKeyManager {
    /// Wraps a random data key if the newest version is unknown: that needs no other permission than wrapping.
    func resolveKeyID() async throws(KeyManagerError) {
        guard wrappingVersion == nil else { return }
        do {
            _ = try await generateDataKey(for: try SelfTestResult.testBinding())
        } catch let error as KeyManagerError {
            throw error
        } catch {
            throw KeyManagerError(.unavailable, keyID: keyID, message: "\(error)")
        }
    }

    /// Generates and unwraps a data key. If wrapping is denied, an unwrap of random bytes shows whether the key exists and
    /// unwrapping is allowed: Azure checks both before the value.
    func selfTest() async -> SelfTestResult {
        let result = await testRoundTrip()
        guard case .failed(let denial) = result, denial.code == .accessDenied else { return result }
        do {
            let algorithm: AzureWrapAlgorithm = key.vault.isManagedHSM ? .a256KW : .rsaOAEP256
            _ = try await unwrap(
                try randomBytes(count: algorithm == .a256KW ? 40 : 256), with: algorithm, wrappingVersion,
                timeout: nil)
            return .failed(
                KeyManagerError(
                    .unavailable, keyID: keyID,
                    message:
                        "\(client.service.name) unwraps random bytes; check that this address is Azure Key Vault"
                ))
        } catch let error as CloudError {
            guard error.code == .invalidCiphertext else {
                return .failed(KeyManagerError(error, keyID: keyID))
            }
            return .unwrapsOnly(
                "the identity may use unwrapKey but not wrapKey; unwrapping was tested with an invalid wrapped key only"
            )
        } catch {
            return .failed(denial)
        }
    }
}

/// Reads Azure's responses: `{"kid": "https://…", "value": "<base64url>"}`.
extension AzureKeyManager {
    /// Returns the version of the key that served.
    func version(in response: CloudResponse, _ request: CloudRequest) throws(CloudError) -> String {
        guard let kid = response.body?["kid"]?.string else { throw malformedResponse(request, "no kid") }
        guard let version = key.version(inKid: kid) else { throw wrongKeyError(request) }
        return version
    }

    /// Decodes the value inside secret memory.
    func value(in response: CloudResponse, _ request: CloudRequest) throws(CloudError) -> SharedSecret {
        guard let text = response.body?["value"]?.nonEmptySecret else {
            throw malformedResponse(request, "no value")
        }
        do throws(Base64.DecodingError) {
            return SharedSecret(
                try text.bytes.withUnsafeBytes { bytes throws(Base64.DecodingError) in
                    try Base64URL.decodeSecret(bytes)
                })
        } catch {
            throw malformedResponse(request, "a value that is not base64url")
        }
    }

    func wrongKeyError(_ request: CloudRequest) -> CloudError {
        CloudError(
            .wrongKey,
            "\(client.service.name) used another key for \(request.description) than the requested one; check that this "
                + "address is the vault's own")
    }

    func malformedResponse(_ request: CloudRequest, _ content: String) -> CloudError {
        CloudError(
            .unavailable,
            "\(client.service.name) responds to \(request.action) with \(content); check that this address is Azure Key "
                + "Vault, and that no proxy changes responses")
    }
}
