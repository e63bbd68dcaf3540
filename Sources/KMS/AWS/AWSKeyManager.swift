import Cryptography
import Envelope
import System
import YAML

/// A symmetric key in AWS KMS. The binding goes along as encryption context. A row says by ARN which key wrapped it,
/// and that key is named at each unwrap, so that KMS uses no other.
struct AWSKeyManager: KeyManager {
    let kms: AWSClient
    /// Asked only for the account of the credentials.
    let sts: AWSClient
    let identity: Locked<AWSKeyIdentity>
    /// Of the one attempt to find out what the settings mean.
    let resolution = Locked<Task<AWSRequestError?, Never>?>(nil)
    let keyRecovery = AWSKeyRecovery()

    init(_ settings: AWSSettings, kms: AWSClient, sts: AWSClient) {
        self.kms = kms
        self.sts = sts
        identity = Locked(AWSKeyIdentity(settings.key, region: settings.region))
    }

    /// Of an alias, once that is known: the ARN of the key behind it.
    var keyID: String { currentIdentity.keyID }

    func accepts(keyID: String) -> Bool { currentIdentity.sourceKey(of: keyID) != nil }

    func generateDataKey(for binding: Binding) async throws(KeyManagerError) -> DataKey {
        let call = AWSRequest.kms(
            "GenerateDataKey", key: configuredKeyID,
            [
                "KeyId": .string(configuredKeyID), "KeySpec": "AES_256",
                "EncryptionContext": AWSEncryptionContext.json(binding),
            ])
        return try await mappingErrors { () throws(AWSRequestError) in
            let body = try await kms.send(call).body
            let key = try plaintext(in: body, call)
            guard key.count == EnvelopeValidation.dataKeyByteCount else {
                throw malformedResponse(call, "\(key.count) bytes of key")
            }
            return DataKey(key: key, recipient: try recipient(in: body, call))
        }
    }

    func wrap(_ dataKey: SharedSecret, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        let call = AWSRequest.kms(
            "Encrypt", key: configuredKeyID,
            [
                "KeyId": .string(configuredKeyID), "Plaintext": .base64(dataKey),
                "EncryptionContext": AWSEncryptionContext.json(binding),
            ])
        return try await mappingErrors { () throws(AWSRequestError) in
            try recipient(in: await kms.send(call).body, call)
        }
    }

    func unwrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> UnwrappedKey {
        try await decrypt(recipient, for: binding, timeout: nil).get()
    }

    /// KMS decrypts and encrypts inside; the data key is not shown.
    func rewrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        let source = try await sourceKey(of: recipient, timeout: nil)
        let context = AWSEncryptionContext.json(binding)
        let call = AWSRequest.kms(
            "ReEncrypt", key: "\(source.text) to \(configuredKeyID)",
            [
                "CiphertextBlob": .string(recipient.wrappedKey), "SourceKeyId": .string(source.text),
                "SourceEncryptionContext": context, "DestinationKeyId": .string(configuredKeyID),
                "DestinationEncryptionContext": context,
            ])
        return try await mappingErrors { () throws(AWSRequestError) in
            let body = try await kms.send(call).body
            guard body?["SourceKeyId"]?.string.flatMap({ AWSKeyARN($0) }) == source else {
                throw wrongKeyError(call)
            }
            return try self.recipient(in: body, call)
        }
    }

    func maintain(onRecovery: @escaping @Sendable () -> Void) async {
        await keyRecovery.watch(onRecovery: onRecovery)
    }
}
