import Envelope
import Primitives

extension AWSKeyManager {
    /// A data key there and back. Where policies allow no data keys, decrypting what cannot open tells whether the
    /// key is there and may decrypt.
    func selfTest() async -> KeyManagerSelfTest {
        let result = await KeyManagerSelfTest.roundTrip(of: self)
        guard case .failed(let denial) = result, denial.code == .accessDenied else { return result }
        do {
            try await settle()
            let noise = Base64.encode(try randomBytes(count: 150))
            let call = decryption(
                of: noise, by: configured, try KeyManagerSelfTest.binding(), timeout: nil)
            _ = try await kms.send(call)
            return .failed(KeyManagerError(malformed(call, "a success for noise"), keyID: keyID))
        } catch let error as AWSCallError {
            guard error.code == .answered(.invalidCiphertext) || error.code == .answered(.incorrectKey) else {
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
