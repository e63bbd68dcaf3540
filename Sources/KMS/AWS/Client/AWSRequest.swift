import Cryptography
import Envelope
import HTTPTypes
import JSON

/// An unsigned request for one operation of a service.
struct AWSRequest: Sendable {
    /// The name of the operation in IAM policies: `kms:Decrypt`.
    let action: String
    /// The key that messages name.
    let resource: String?
    let fields: HTTPFields
    let body: SharedSecret
    /// The time for all attempts, and for waiting before and between them.
    var timeout = Duration.seconds(15)

    /// Makes a request in the JSON 1.1 protocol of KMS.
    static func kms(_ operation: String, key: String, _ body: JSONValue) -> AWSRequest {
        AWSRequest(
            action: "kms:\(operation)", resource: key,
            fields: [.contentType: "application/x-amz-json-1.1", .amzTarget: "TrentService.\(operation)"],
            body: SharedSecret(JSONWriter.write([body])))
    }

    /// Makes a request without parameters in the Query protocol of STS.
    static func sts(_ operation: String) -> AWSRequest {
        AWSRequest(
            action: "sts:\(operation)", resource: nil,
            fields: [.contentType: "application/x-www-form-urlencoded; charset=utf-8"],
            body: SharedSecret(copying: "Action=\(operation)&Version=2011-06-15".utf8))
    }
}

/// The binding as KMS's encryption context. Decrypt requires the same context, policies can have conditions on it
/// (`kms:EncryptionContext:secrets-bridge.io/namespace`), and CloudTrail logs it.
enum AWSEncryptionContext {
    /// Returns the parts of the binding that its scope sets.
    static func entries(_ binding: Binding) -> [(name: String, value: String)] {
        [
            ("secrets-bridge.io/scope", binding.scope.rawValue),
            ("secrets-bridge.io/namespace", binding.namespace), ("secrets-bridge.io/name", binding.name),
        ].filter { !$0.1.isEmpty }
    }

    static func json(_ binding: Binding) -> JSONValue {
        .object(entries(binding).map { (key: $0.name, value: .string($0.value)) })
    }
}

extension KeyManagerOperation {
    /// Returns nil for an action that handles no data keys.
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
