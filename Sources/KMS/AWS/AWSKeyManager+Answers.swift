import Envelope
import Primitives
import YAML

/// What KMS's answers hold, checked.
extension AWSKeyManager {
    func recipient(in body: Node?, _ call: AWSCall) throws(AWSCallError) -> Recipient {
        let arn = try learned(body?["KeyId"]?.string, call)
        guard let wrapped = body?["CiphertextBlob"]?.string, !wrapped.isEmpty,
            wrapped.utf8.count <= EnvelopeRules.maximumWrappedKey, (try? Base64.decode(wrapped)) != nil
        else { throw malformed(call, "no ciphertext") }
        return Recipient(keyID: arn.text, wrappedKey: wrapped)
    }

    /// Its base64 never leaves secret memory.
    func plaintext(in body: Node?, _ call: AWSCall) throws(AWSCallError) -> SharedSecret {
        guard let text = body?["Plaintext"]?.secret else { throw malformed(call, "no plaintext") }
        do {
            return SharedSecret(
                try text.bytes.withUnsafeBytes { bytes throws(Base64.DecodingError) in
                    try Base64.decodeSecret(bytes)
                })
        } catch {
            throw malformed(call, "a plaintext that is not base64")
        }
    }

    /// Which of the key's materials, where KMS says that: one for each rotation.
    func version(in body: Node?) -> String? {
        body?["KeyMaterialId"]?.string.flatMap { AWSKeyARN.isID($0) ? $0 : nil }
    }

    func otherKey(_ call: AWSCall) -> AWSCallError {
        AWSCallError(
            .otherKey,
            "\(kms.address.url) answers \(call.action) with another key than \(call.resource ?? "the one named"); is "
                + "it AWS KMS?")
    }

    func malformed(_ call: AWSCall, _ what: String) -> AWSCallError {
        AWSCallError(
            .malformed,
            "\(kms.address.url) answers \(call.action) with \(what); is it AWS KMS, and is there a proxy before it?"
        )
    }

    func calling<Value>(
        _ body: () async throws(AWSCallError) -> Value
    ) async throws(KeyManagerError) -> Value {
        do {
            return try await body()
        } catch {
            throw KeyManagerError(error, keyID: keyID)
        }
    }
}
