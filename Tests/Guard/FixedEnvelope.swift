import Cryptography
import Envelope
import TestSupport

/// One envelope for all objects of a workload, which scope `namespace` allows, so that sealing costs the same for any number.
enum FixedEnvelope {
    static func fields(_ keys: FakeKeyManager) async throws -> EnvelopeFields {
        let binding = try Binding(scope: .namespace, namespace: FixedObjects.namespace, secretName: "db")
        let entries = [SecretEntry(name: "password", value: SharedSecret(copying: "0123456789abcdef".utf8))]
        return try await Envelope.seal(entries, binding: binding, with: keys).fields
    }

    /// Returns the JSON of `spec`.
    static func spec(_ fields: EnvelopeFields) -> String {
        let recipients = fields.recipients.map {
            #"{"keyID":"\#($0.keyID)","wrappedKey":"\#($0.wrappedKey)"}"#
        }
        let data = fields.data.map { #""\#($0.key)":"\#($0.value)""# }
        return
            #"{"format":"v1","scope":"namespace","mac":"\#(fields.mac)","data":{\#(data.joined(separator: ","))},"#
            + #""recipients":[\#(recipients.joined(separator: ","))]}"#
    }
}
