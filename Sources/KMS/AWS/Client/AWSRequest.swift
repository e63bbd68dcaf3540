import Cryptography
import HTTPTypes
import YAML

/// One operation of a service, not yet signed.
struct AWSRequest: Sendable {
    /// As IAM names it: `kms:Decrypt`.
    let action: String
    /// What it is done with, for messages; nil: nothing in particular.
    let resource: String?
    let fields: HTTPFields
    let body: SharedSecret
    /// All attempts, and the waits before and between them, together.
    var timeout = Duration.seconds(15)

    /// JSON 1.1, as KMS speaks it.
    static func kms(_ operation: String, key: String, _ body: JSONValue) -> AWSRequest {
        AWSRequest(
            action: "kms:\(operation)", resource: key,
            fields: [.contentType: "application/x-amz-json-1.1", .amzTarget: "TrentService.\(operation)"],
            body: SharedSecret(JSONWriter.write([body])))
    }

    /// The query protocol, as STS speaks it; without parameters.
    static func sts(_ operation: String) -> AWSRequest {
        AWSRequest(
            action: "sts:\(operation)", resource: nil,
            fields: [.contentType: "application/x-www-form-urlencoded; charset=utf-8"],
            body: SharedSecret(copying: "Action=\(operation)&Version=2011-06-15".utf8))
    }
}
