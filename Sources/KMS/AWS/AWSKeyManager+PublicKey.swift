import Cryptography
import Envelope
import JSON
import System

/// How KMS wraps a data key: with a symmetric key and the binding as encryption context, or with an RSA key and without one.
enum AWSEncryptionAlgorithm {
    static let rsaOAEP256 = "RSAES_OAEP_SHA_256"

    /// Returns the fields of a request: `EncryptionContext` or `EncryptionAlgorithm`, with a prefix for ReEncrypt.
    static func fields(
        isAsymmetric: Bool, _ binding: Binding?, prefix: String = ""
    ) -> [(key: String, value: JSONValue)] {
        if isAsymmetric { return [("\(prefix)EncryptionAlgorithm", .string(rsaOAEP256))] }
        return binding.map { [("\(prefix)EncryptionContext", AWSEncryptionContext.json($0))] } ?? []
    }
}

extension AWSKeyManager {
    /// Runs the request for the type of the configured key. KMS shows that a key is asymmetric by rejecting the request for a
    /// symmetric one: DescribeKey, which would tell, may be denied.
    func forKeyType<Value: Sendable>(
        symmetric: () async throws(AWSRequestError) -> Value,
        asymmetric: () async throws(AWSRequestError) -> Value
    ) async throws(AWSRequestError) -> Value {
        guard !isAsymmetric.withLock({ $0 }) else { return try await asymmetric() }
        let rejection: AWSRequestError
        do throws(AWSRequestError) {
            return try await symmetric()
        } catch {
            guard error.code == .errorResponse(.invalidKeyUsage) else { throw error }
            rejection = error
        }
        do throws(AWSRequestError) {
            let value = try await asymmetric()
            isAsymmetric.withLock { $0 = true }
            return value
        } catch {
            // A key of neither type is not usable for the first reason.
            throw error.code == .errorResponse(.invalidKeyUsage) ? rejection : error
        }
    }

    func randomDataKey() throws(AWSRequestError) -> SharedSecret {
        do throws(CryptoError) {
            return SharedSecret(try SecretBytes.random(count: EnvelopeValidation.dataKeyByteCount))
        } catch {
            throw AWSRequestError(.misconfigured, "cannot generate a data key: \(error)")
        }
    }

    /// - Parameter binding: The encryption context, or nil for an RSA key.
    func encrypt(_ dataKey: SharedSecret, _ binding: Binding?) async throws(AWSRequestError) -> Recipient {
        let request = AWSRequest.kms(
            "Encrypt", key: configuredKeyID,
            .object(
                [("KeyId", .string(configuredKeyID)), ("Plaintext", .base64(dataKey))]
                    + AWSEncryptionAlgorithm.fields(isAsymmetric: binding == nil, binding)))
        return try recipient(in: await kms.send(request).body, request)
    }

    func reEncrypt(
        _ recipient: Recipient, _ source: AWSKeyARN, _ binding: Binding, isDestinationAsymmetric: Bool
    ) async throws(AWSRequestError) -> Recipient {
        let request = AWSRequest.kms(
            "ReEncrypt", key: "\(source.text) to \(configuredKeyID)",
            .object(
                [
                    ("CiphertextBlob", .string(recipient.wrappedKey)), ("SourceKeyId", .string(source.text)),
                    ("DestinationKeyId", .string(configuredKeyID)),
                ]
                    + AWSEncryptionAlgorithm.fields(
                        isAsymmetric: recipient.usesPublicKey, binding, prefix: "Source")
                    + AWSEncryptionAlgorithm.fields(
                        isAsymmetric: isDestinationAsymmetric, binding, prefix: "Destination")))
        let body = try await kms.send(request).body
        guard body?["SourceKeyId"]?.string.flatMap({ AWSKeyARN($0) }) == source else {
            throw wrongKeyError(request)
        }
        return try self.recipient(in: body, request)
    }

    /// Returns the algorithm that a response names for the wrapped key, or nil for the symmetric one.
    func algorithm(
        in body: JSONValue?, ofWrappedKey wrapped: String, _ request: AWSRequest
    ) throws(AWSRequestError) -> String? {
        let name = body?["DestinationEncryptionAlgorithm"] ?? body?["EncryptionAlgorithm"]
        guard name?.string == AWSEncryptionAlgorithm.rsaOAEP256 else { return nil }
        guard let bytes = try? Base64.decode(wrapped), RecipientAlgorithm.isRSALength(bytes.count) else {
            throw AWSRequestError(
                .misconfigured,
                "\(request.resource ?? "the key") is smaller than 3072 bits; use a key of RSA_3072 or RSA_4096"
            )
        }
        return RecipientAlgorithm.rsaOAEP256.rawValue
    }
}

extension AWSKeyManager: PublicKeyExporting {
    /// Uses GetPublicKey, which needs `kms:GetPublicKey`.
    func exportPublicKey() async throws(KeyManagerError) -> RecipientKey {
        let request = AWSRequest.kms(
            "GetPublicKey", key: configuredKeyID, ["KeyId": .string(configuredKeyID)])
        let body: JSONValue?
        do throws(AWSRequestError) {
            body = try await kms.send(request).body
        } catch {
            guard error.code == .errorResponse(.unsupportedOperation) else {
                throw KeyManagerError(error, keyID: keyID)
            }
            throw .notAsymmetric(keyID: keyID, remedy: Self.remedy)
        }
        return try await withMappedErrors { () throws(AWSRequestError) in
            let arn = try recordResolvedKey(body?["KeyId"]?.string, request)
            let algorithms = body?["EncryptionAlgorithms"]?.elements?.compactMap(\.string) ?? []
            guard body?["KeyUsage"]?.string == "ENCRYPT_DECRYPT",
                algorithms.contains(AWSEncryptionAlgorithm.rsaOAEP256)
            else {
                throw AWSRequestError(.misconfigured, "\(arn.text) does not wrap data keys; \(Self.remedy)")
            }
            guard let der = body?["PublicKey"]?.string.flatMap({ try? Base64.decode($0) }) else {
                throw malformedResponse(request, "no public key")
            }
            do {
                return try RecipientKey(
                    keyID: arn.text, keyVersion: nil, publicKey: try RSAPublicKey(der: der))
            } catch RSAPublicKey.ReadingError.unsupportedSize(let bits) {
                throw AWSRequestError(.misconfigured, "\(arn.text) has \(bits) bits; \(Self.remedy)")
            } catch {
                throw malformedResponse(request, "a public key that is not usable (\(error))")
            }
        }
    }

    private static var remedy: String {
        "set \(AWSSettings.keyVariable) to a key of RSA_3072 or RSA_4096 with the usage ENCRYPT_DECRYPT"
    }
}
