import Cryptography
import Envelope
import YAML

/// What KMS's answers hold, checked.
extension AWSKeyManager {
    func recipient(in body: YAMLNode?, _ call: AWSRequest) throws(AWSRequestError) -> Recipient {
        let arn = try recordResolvedKey(body?["KeyId"]?.string, call)
        guard let wrapped = body?["CiphertextBlob"]?.string, !wrapped.isEmpty,
            wrapped.utf8.count <= EnvelopeValidation.maximumWrappedKeyLength,
            (try? Base64.decode(wrapped)) != nil
        else { throw malformedResponse(call, "no ciphertext") }
        return Recipient(keyID: arn.text, wrappedKey: wrapped)
    }

    /// Its base64 never leaves secret memory.
    func plaintext(in body: YAMLNode?, _ call: AWSRequest) throws(AWSRequestError) -> SharedSecret {
        guard let text = body?["Plaintext"]?.nonEmptySecret else {
            throw malformedResponse(call, "no plaintext")
        }
        do {
            return SharedSecret(
                try text.bytes.withUnsafeBytes { bytes throws(Base64.DecodingError) in
                    try Base64.decodeSecret(bytes)
                })
        } catch {
            throw malformedResponse(call, "a plaintext that is not base64")
        }
    }

    /// Which of the key's materials, where KMS says that: one for each rotation.
    func keyMaterialID(in body: YAMLNode?) -> String? {
        body?["KeyMaterialId"]?.string.flatMap { AWSKeyARN.isValidID($0) ? $0 : nil }
    }

    func wrongKeyError(_ call: AWSRequest) -> AWSRequestError {
        AWSRequestError(
            .wrongKey,
            "\(kms.address.url) answers \(call.action) with another key than \(call.resource ?? "the one named"); is "
                + "it AWS KMS?")
    }

    func malformedResponse(_ call: AWSRequest, _ what: String) -> AWSRequestError {
        AWSRequestError(
            .malformedResponse,
            "\(kms.address.url) answers \(call.action) with \(what); is it AWS KMS, and is there a proxy before it?"
        )
    }

    func mappingErrors<Value>(
        _ body: () async throws(AWSRequestError) -> Value
    ) async throws(KeyManagerError) -> Value {
        do {
            return try await body()
        } catch {
            throw KeyManagerError(error, keyID: keyID)
        }
    }
}
