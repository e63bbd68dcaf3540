import Envelope
import Primitives
import YAML

/// What the settings mean. Which rows are ours depends on it.
extension AWSKeyManager {
    /// As KMS is told: an alias stays one, so that a move of it takes effect at once.
    var configured: String { known.reference.text }
    var known: AWSKeyIdentity { identity.withLock { $0 } }

    func identify() async throws(KeyManagerError) {
        try await calling { () throws(AWSCallError) in try await settle() }
        guard known.key == nil else { return }
        // DescribeKey is not allowed; what wraps says which key it is.
        do {
            _ = try await wrap(
                SharedSecret(try SecretBytes.random(count: EnvelopeRules.dataKeyCount)),
                for: try KeyManagerSelfTest.binding())
        } catch let error as KeyManagerError {
            throw error
        } catch {
            throw KeyManagerError(.unavailable, keyID: keyID, message: "\(error)")
        }
    }

    /// The key that the row names, when it is ours; that is found out first where it is not known.
    func source(
        of recipient: Recipient, timeout: Duration?
    ) async throws(KeyManagerError) -> AWSKeyARN {
        try check(recipient)
        if let row = AWSKeyARN(recipient.keyID), !known.isCertain(about: row) {
            try await calling { () throws(AWSCallError) in try await settle(timeout: timeout) }
            try check(recipient)
        }
        guard let source = known.source(of: recipient.keyID) else {
            throw KeyManagerError(.keyUnavailable, keyID: keyID, message: "the row's key is not ours")
        }
        return source
    }

    /// Finds out which key and account the settings mean, once for all who wait.
    func settle(timeout: Duration? = nil) async throws(AWSCallError) {
        guard !known.isSettled else { return }
        let task = settling.withLock { current in
            if let current { return current }
            let task = Task { await learn(timeout: timeout) }
            current = task
            return task
        }
        guard let error = await task.value else { return }
        // Whoever comes next asks anew.
        settling.withLock { if $0 == task { $0 = nil } }
        throw error
    }

    private func learn(timeout: Duration?) async -> AWSCallError? {
        do throws(AWSCallError) {
            try await learnIdentity(timeout: timeout)
            return nil
        } catch {
            return error
        }
    }

    /// DescribeKey tells all. Where policies do not allow it, the caller's account is what an alias or a key id
    /// without account means, and everybody may ask for that.
    private func learnIdentity(timeout: Duration?) async throws(AWSCallError) {
        var call = AWSCall.kms("DescribeKey", key: configured, ["KeyId": .string(configured)])
        if let timeout { call.timeout = timeout }
        do throws(AWSCallError) {
            let body = try await kms.send(call).body
            try learned(body?["KeyMetadata"]?["Arn"]?.string, call)
        } catch {
            // An alias that is gone says nothing of the rows that were wrapped when it was there.
            let isAnswer = [.answered(.accessDenied), .answered(.keyNotFound)].contains(error.code)
            guard isAnswer else { throw error }
            let account = try await callerAccount(timeout)
            identity.withLock { $0.learned(account: account) }
        }
    }

    private func callerAccount(_ timeout: Duration?) async throws(AWSCallError) -> String {
        if let account = known.account { return account }
        var call = AWSCall.sts("GetCallerIdentity")
        if let timeout { call.timeout = timeout }
        do throws(AWSCallError) {
            guard let account = try await sts.send(call).account else { throw malformed(call, "no account") }
            return account
        } catch {
            throw AWSCallError(
                error.code,
                "nobody tells which account \(configured) is in: kms:DescribeKey gives no answer, and \(error.message); "
                    + "allow kms:DescribeKey, or set \(AWSSettings.keyVariable) to the key's ARN",
                retryAfter: error.retryAfter)
        }
    }

    /// Takes in what KMS says the configured key is.
    @discardableResult
    func learned(_ text: String?, _ call: AWSCall) throws(AWSCallError) -> AWSKeyARN {
        guard let arn = text.flatMap({ AWSKeyARN($0) }), known.canBe(arn) else {
            throw otherKey(call)
        }
        identity.withLock { $0.learned(arn) }
        return arn
    }
}
