import Cryptography
import Envelope

extension TransitKeyManager {
    /// A data key there and back. Where the policy allows no data keys, decrypting what cannot open tells
    /// whether the key is there and may decrypt.
    func selfTest() async -> SelfTestResult {
        let result = await SelfTestResult.roundTrip(of: self)
        guard case .failed(let denial) = result, denial.code == .accessDenied else { return result }
        do {
            let noise = Recipient(
                keyID: keyID, wrappedKey: "vault:v1:" + Base64.encode(try randomBytes(count: 60)))
            let call = decryptRequest(of: noise, try SelfTestResult.testBinding())
            let answer = try await send(call)
            let failure = error(answer, call)
            switch failure.code {
            case .rejected(.notAuthentic), .rejected(.versionTooOld), .rejected(.versionTooNew),
                .rejected(.malformedCiphertext):
                return .unwrapsOnly(
                    "the policy allows decrypt and not datakey/plaintext; decrypting was tried, though not on a "
                        + "key that opens")
            default: return .failed(KeyManagerError(failure, keyID: keyID))
            }
        } catch let error as KeyManagerError {
            return .failed(error)
        } catch {
            return .failed(denial)
        }
    }
}
