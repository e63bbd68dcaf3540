import Cryptography
import Envelope
import System
import YAML

/// What the settings mean. Which rows are ours depends on it.
extension AWSKeyManager {
    /// As KMS is told: an alias stays one, so that a move of it takes effect at once.
    var configuredKeyID: String { currentIdentity.reference.text }
    var currentIdentity: AWSKeyIdentity { identity.withLock { $0 } }

    func resolveKeyID() async throws(KeyManagerError) {
        try await mappingErrors { () throws(AWSRequestError) in try await resolveKey() }
        guard currentIdentity.key == nil else { return }
        // DescribeKey is not allowed; what wraps says which key it is.
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

    /// The key that the row names, when it is ours; that is found out first where it is not known.
    func sourceKey(
        of recipient: Recipient, timeout: Duration?
    ) async throws(KeyManagerError) -> AWSKeyARN {
        try check(recipient)
        if let row = AWSKeyARN(recipient.keyID), !currentIdentity.isCertain(about: row) {
            try await mappingErrors { () throws(AWSRequestError) in try await resolveKey(timeout: timeout) }
            try check(recipient)
        }
        guard let source = currentIdentity.sourceKey(of: recipient.keyID) else {
            throw KeyManagerError(.keyUnavailable, keyID: keyID, message: "the row's key is not ours")
        }
        return source
    }

    /// Finds out which key and account the settings mean, once for all who wait.
    func resolveKey(timeout: Duration? = nil) async throws(AWSRequestError) {
        guard !currentIdentity.isResolved else { return }
        let task = resolution.withLock { current in
            if let current { return current }
            let task = Task { await learn(timeout: timeout) }
            current = task
            return task
        }
        guard let error = await task.value else { return }
        // Whoever comes next asks anew.
        resolution.withLock { if $0 == task { $0 = nil } }
        throw error
    }

    private func learn(timeout: Duration?) async -> AWSRequestError? {
        do throws(AWSRequestError) {
            try await learnIdentity(timeout: timeout)
            return nil
        } catch {
            return error
        }
    }

    /// DescribeKey tells all. Where policies do not allow it, the caller's account is what an alias or a key id
    /// without account means, and everybody may ask for that.
    private func learnIdentity(timeout: Duration?) async throws(AWSRequestError) {
        var call = AWSRequest.kms("DescribeKey", key: configuredKeyID, ["KeyId": .string(configuredKeyID)])
        if let timeout { call.timeout = timeout }
        do throws(AWSRequestError) {
            let body = try await kms.send(call).body
            try recordResolvedKey(body?["KeyMetadata"]?["Arn"]?.string, call)
        } catch {
            // An alias that is gone says nothing of the rows that were wrapped when it was there.
            let isAnswer = [.errorResponse(.accessDenied), .errorResponse(.keyNotFound)].contains(error.code)
            guard isAnswer else { throw error }
            let account = try await callerAccount(timeout)
            identity.withLock { $0.recordCallerAccount(account: account) }
        }
    }

    private func callerAccount(_ timeout: Duration?) async throws(AWSRequestError) -> String {
        if let account = currentIdentity.account { return account }
        var call = AWSRequest.sts("GetCallerIdentity")
        if let timeout { call.timeout = timeout }
        do throws(AWSRequestError) {
            guard let account = try await sts.send(call).account else {
                throw malformedResponse(call, "no account")
            }
            return account
        } catch {
            throw AWSRequestError(
                error.code,
                "nobody tells which account \(configuredKeyID) is in: kms:DescribeKey gives no answer, and \(error.message); "
                    + "allow kms:DescribeKey, or set \(AWSSettings.keyVariable) to the key's ARN",
                retryAfter: error.retryAfter)
        }
    }

    /// Takes in what KMS says the configured key is.
    @discardableResult
    func recordResolvedKey(_ text: String?, _ call: AWSRequest) throws(AWSRequestError) -> AWSKeyARN {
        guard let arn = text.flatMap({ AWSKeyARN($0) }), currentIdentity.canResolve(arn) else {
            throw wrongKeyError(call)
        }
        identity.withLock { $0.recordResolvedKey(arn) }
        return arn
    }
}
