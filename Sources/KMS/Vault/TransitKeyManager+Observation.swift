import Envelope
import YAML

extension TransitKeyManager {
    /// What an observer is told of an answer: its refused items, if it has items, else its own failure.
    func failures(in answer: VaultResponse, to call: VaultRequest) -> [KeyManagerError.Code] {
        if let results = answer.data?["batch_results"]?.elements, results.count == call.keyOperation?.items {
            return results.compactMap { item in
                guard let error = item["error"]?.string, !error.isEmpty else { return nil }
                return KeyManagerError(itemError(item, call), keyID: keyID).code
            }
        }
        if 200..<300 ~= answer.status { return [] }
        return [KeyManagerError(error(answer, call), keyID: keyID).code]
    }
}

extension KeyManagerOperation {
    /// By the endpoint of the transit engine; nil: not one that handles data keys.
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
