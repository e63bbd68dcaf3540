import Cryptography
import Envelope

extension AWSKeyManager {
    /// A data key there and back. Where policies allow no data keys, decrypting what cannot open tells whether the
    /// key is there and may decrypt.
    func selfTest() async -> SelfTestResult {
        let result = await SelfTestResult.roundTrip(of: self)
        guard case .failed(let denial) = result, denial.code == .accessDenied else { return result }
        do {
            try await resolveKey()
            let noise = Base64.encode(try randomBytes(count: 150))
            let call = decryptRequest(
                of: noise, by: configuredKeyID, try SelfTestResult.testBinding(), timeout: nil)
            _ = try await kms.send(call)
            return .failed(KeyManagerError(malformedResponse(call, "a success for noise"), keyID: keyID))
        } catch let error as AWSRequestError {
            guard
                error.code == .errorResponse(.invalidCiphertext)
                    || error.code == .errorResponse(.incorrectKey)
            else {
                return .failed(KeyManagerError(error, keyID: keyID))
            }
            return .unwrapsOnly(
                "policies allow kms:Decrypt and not kms:GenerateDataKey; decrypting was tried, though not on a key "
                    + "that opens")
        } catch {
            return .failed(denial)
        }
    }
}
