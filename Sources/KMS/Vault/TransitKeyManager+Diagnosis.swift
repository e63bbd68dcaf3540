import Cryptography
import Envelope
import JSON

extension TransitKeyManager: DiagnosableKeyManager {
    /// Generates and unwraps a data key. If the policy does not allow generating data keys, decrypting a ciphertext
    /// that is not authentic shows whether the key exists and the policy allows decrypting.
    func selfTest() async -> SelfTestResult {
        let result = await testRoundTrip()
        guard case .failed(let denial) = result, denial.code == .accessDenied else { return result }
        do {
            // 60 bytes, as in a real wrapped key: nonce 12, data key 32, tag 16.
            let invalid = Recipient(
                keyID: keyID, wrappedKey: "vault:v1:" + Base64.encode(try randomBytes(count: 60)))
            let request = decryptRequest(of: invalid, try SelfTestResult.testBinding())
            let response = try await send(request)
            let failure = error(response, request)
            switch failure.code {
            case .rejected(.notAuthentic), .rejected(.versionTooOld), .rejected(.versionTooNew),
                .rejected(.malformedCiphertext):
                return .unwrapsOnly(
                    "the policy allows decrypt but not datakey/plaintext; decrypting was tested only with an "
                        + "invalid ciphertext")
            default: return .failed(KeyManagerError(failure, keyID: keyID))
            }
        } catch let error as KeyManagerError {
            return .failed(error)
        } catch {
            return .failed(denial)
        }
    }

    /// Returns the error code of each rejected item of a batch, or that of a request that failed as a whole.
    func failures(in response: VaultResponse, to request: VaultRequest) -> [KeyManagerError.Code] {
        if let results = response.data?["batch_results"]?.elements,
            results.count == request.keyOperation?.items
        {
            return results.compactMap { item in
                guard let error = item["error"]?.string, !error.isEmpty else { return nil }
                return KeyManagerError(itemError(item, request), keyID: keyID).code
            }
        }
        if response.isSuccess { return [] }
        return [KeyManagerError(error(response, request), keyID: keyID).code]
    }
}

extension KeyManagerOperation {
    /// The operation of an endpoint of the transit engine, or nil if the endpoint does not handle data keys.
    init?(transit endpoint: String) {
        switch endpoint {
        case "datakey/plaintext": self = .generateDataKey
        case "encrypt": self = .wrap
        case "decrypt": self = .unwrap
        case "rewrap": self = .rewrap
        default: return nil
        }
    }
}
