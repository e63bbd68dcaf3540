import Envelope

/// A key manager of Cloud KMS that can test decryption without the permission to wrap.
protocol GCPSelfTesting: DiagnosableKeyManager {
    var kms: CloudClient { get }

    /// The permission of IAM without which it does not wrap.
    static var wrappingPermission: String { get }

    /// Sends random bytes of the length of a wrapped key to be decrypted.
    func decryptRandomBytes() async throws
}

extension GCPSelfTesting {
    /// Wraps and unwraps a data key. If IAM does not allow to wrap, a decryption of random bytes shows whether the key exists and
    /// may decrypt: Cloud KMS checks both before the ciphertext.
    func selfTest() async -> SelfTestResult {
        let result = await testRoundTrip()
        guard case .failed(let denial) = result, denial.code == .accessDenied else { return result }
        do {
            try await decryptRandomBytes()
            return .failed(
                KeyManagerError(
                    .misconfigured, keyID: keyID,
                    message: "\(kms.service.name) decrypted random bytes; the server is not Cloud KMS"))
        } catch let error as CloudError {
            guard error.code == .invalidCiphertext else {
                return .failed(KeyManagerError(error, keyID: keyID))
            }
            return .unwrapsOnly(
                "IAM allows cloudkms.cryptoKeyVersions.useToDecrypt but not \(Self.wrappingPermission); decryption was tested "
                    + "with an invalid ciphertext only")
        } catch {
            return .failed(denial)
        }
    }
}
