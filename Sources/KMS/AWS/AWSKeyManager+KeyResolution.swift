import Concurrency
import Cryptography
import Envelope
import JSON
import System

/// Finds out which key and account the configured key id stands for. It decides which recipients the key accepts.
extension AWSKeyManager {
    /// The `KeyId` of requests. An alias is sent as it is, so that moving it takes effect at once.
    var configuredKeyID: String { currentIdentity.reference.text }
    var currentIdentity: AWSKeyIdentity { identity.withLock { $0 } }

    func resolveKeyID() async throws(KeyManagerError) {
        try await withMappedErrors { () throws(AWSRequestError) in try await resolveKey() }
        guard currentIdentity.key == nil else { return }
        // Policies deny DescribeKey; the response to Encrypt has the key's ARN too.
        do {
            _ = try await wrap(
                SharedSecret(try SecretBytes.random(count: EnvelopeValidation.dataKeyByteCount)),
                for: try SelfTestResult.testBinding())
        } catch let error as KeyManagerError {
            throw error
        } catch {
            throw KeyManagerError(.unavailable, keyID: keyID, message: "\(error)")
        }
    }

    /// Returns the key that wrapped a recipient, after resolving the configured key if the answer depends on it.
    ///
    /// - Throws: `keyUnavailable` for a key of another account or Region.
    func sourceKey(
        of recipient: Recipient, timeout: Duration?
    ) async throws(KeyManagerError) -> AWSKeyARN {
        try check(recipient)
        if let arn = AWSKeyARN(recipient.keyID), !currentIdentity.isCertain(about: arn) {
            try await withMappedErrors { () throws(AWSRequestError) in try await resolveKey(timeout: timeout)
            }
        }
        guard let source = currentIdentity.sourceKey(of: recipient.keyID) else {
            throw foreignKeyError()
        }
        return source
    }

    /// Resolves the configured key to an account and, if policies allow it, to a key. Concurrent callers share one
    /// request.
    func resolveKey(timeout: Duration? = nil) async throws(AWSRequestError) {
        guard !currentIdentity.isResolved else { return }
        let cancelled = AWSRequestError(.cancelled, "cancelled while waiting for kms:DescribeKey")
        let error = await resolution.run(ifCancelled: cancelled) { () -> AWSRequestError? in
            // An earlier flight may have ended after this caller's check.
            guard !currentIdentity.isResolved else { return nil }
            do throws(AWSRequestError) {
                try await describeKey(timeout: timeout)
                return nil
            } catch {
                return error
            }
        }
        if let error { throw error }
    }

    /// DescribeKey returns the key's ARN. If policies deny it, GetCallerIdentity, which needs no permission, returns the
    /// account in which KMS looks up an alias or a bare key id.
    private func describeKey(timeout: Duration?) async throws(AWSRequestError) {
        var request = AWSRequest.kms("DescribeKey", key: configuredKeyID, ["KeyId": .string(configuredKeyID)])
        if let timeout { request.timeout = timeout }
        do throws(AWSRequestError) {
            let body = try await kms.send(request).body
            try recordResolvedKey(body?["KeyMetadata"]?["Arn"]?.string, request)
        } catch {
            // A deleted alias does not affect ciphertexts that were made while it existed.
            guard [.errorResponse(.accessDenied), .errorResponse(.keyNotFound)].contains(error.code) else {
                throw error
            }
            let account = try await callerAccount(timeout)
            identity.withLock { $0.recordCallerAccount(account) }
        }
    }

    private func callerAccount(_ timeout: Duration?) async throws(AWSRequestError) -> String {
        if let account = currentIdentity.account { return account }
        var request = AWSRequest.sts("GetCallerIdentity")
        if let timeout { request.timeout = timeout }
        do throws(AWSRequestError) {
            guard let account = try await sts.send(request).account else {
                throw malformedResponse(request, "no account")
            }
            return account
        } catch {
            throw AWSRequestError(
                error.code,
                "cannot determine the AWS account of \(configuredKeyID): kms:DescribeKey is denied or finds no key, and "
                    + "\(error.message); allow kms:DescribeKey, or set \(AWSSettings.keyVariable) to the key's ARN",
                retryAfter: error.retryAfter)
        }
    }

    /// Records the ARN that a response gives for the configured key.
    ///
    /// - Throws: `wrongKey` if the configured key id cannot stand for that key.
    @discardableResult
    func recordResolvedKey(_ text: String?, _ request: AWSRequest) throws(AWSRequestError) -> AWSKeyARN {
        guard let arn = text.flatMap({ AWSKeyARN($0) }), currentIdentity.canResolve(to: arn) else {
            throw wrongKeyError(request)
        }
        identity.withLock { $0.recordResolvedKey(arn) }
        return arn
    }
}

extension AWSKeyManager {
    /// Generates and unwraps a data key. If policies deny GenerateDataKey, a Decrypt of random bytes shows whether the key
    /// exists and Decrypt is allowed: KMS checks both before the ciphertext.
    func selfTest() async -> SelfTestResult {
        let result = await testRoundTrip()
        guard case .failed(let denial) = result, denial.code == .accessDenied else { return result }
        do {
            try await resolveKey()
            let binding = try SelfTestResult.testBinding()
            let invalid = Recipient(keyID: keyID, wrappedKey: Base64.encode(try randomBytes(count: 150)))
            let invalidRSA = Recipient(
                keyID: keyID, wrappedKey: Base64.encode(try randomBytes(count: 384)),
                algorithm: RecipientAlgorithm.rsaOAEP256.rawValue)
            let request = try await forKeyType { () throws(AWSRequestError) in
                let request = decryptRequest(of: invalid, by: configuredKeyID, binding, timeout: nil)
                _ = try await kms.send(request)
                return request
            } asymmetric: { () throws(AWSRequestError) in
                let request = decryptRequest(of: invalidRSA, by: configuredKeyID, binding, timeout: nil)
                _ = try await kms.send(request)
                return request
            }
            return .failed(
                KeyManagerError(malformedResponse(request, "a plaintext of random bytes"), keyID: keyID))
        } catch let error as AWSRequestError {
            guard [.errorResponse(.invalidCiphertext), .errorResponse(.incorrectKey)].contains(error.code)
            else {
                return .failed(KeyManagerError(error, keyID: keyID))
            }
            return .unwrapsOnly(
                "policies allow kms:Decrypt but not kms:GenerateDataKey; decryption was tested with an invalid "
                    + "ciphertext only")
        } catch {
            return .failed(denial)
        }
    }
}
