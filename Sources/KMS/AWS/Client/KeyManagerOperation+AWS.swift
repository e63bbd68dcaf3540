import Envelope

extension KeyManagerOperation {
    /// By the action as IAM names it; nil: not one that handles data keys.
    init?(awsAction action: String) {
        switch action {
        case "kms:GenerateDataKey": self = .generateDataKey
        case "kms:Encrypt": self = .wrap
        case "kms:Decrypt": self = .unwrap
        case "kms:ReEncrypt": self = .rewrap
        default: return nil
        }
    }
}
