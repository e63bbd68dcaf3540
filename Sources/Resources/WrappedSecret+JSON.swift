import Envelope
package import JSON
import KubeClient

/// Reads a WrappedSecret as the API server sends it. Unknown fields are skipped, and values are checked elsewhere
/// (`DesiredSecret`).
extension WrappedSecret {
    package init(json: inout JSONReader) throws(JSONError) {
        var metadata: ObjectMeta?
        var spec: WrappedSecretSpec?
        var status: WrappedSecretStatus?
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "metadata": metadata = try ObjectMeta(json: &json, .withoutManagedFields)
            case "spec": spec = try json.read()
            case "status": status = try json.readOptional()
            default: break
            }
        }
        self.init(
            metadata: try json.require(metadata, "metadata"), spec: try json.require(spec, "spec"),
            status: status)
    }
}

extension WrappedSecretSpec: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        var format, scope, mac: String?
        var recipients: [Recipient]?
        var data: [String: String]?
        // Optional fields are set directly; the envelope is a placeholder until its required fields have been read.
        var spec = WrappedSecretSpec(
            envelope: EnvelopeFields(format: "", scope: "", recipients: [], mac: "", data: [:]))
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "format": format = try json.read()
            case "scope": scope = try json.read()
            case "recipients": recipients = try Self.recipients(&json)
            case "mac": mac = try json.read()
            case "data": data = try json.readOptional()
            case "template": spec.template = try json.readOptional()
            case "keyRef": spec.keyRef = try json.readOptional()
            case "creationPolicy": spec.creationPolicy = try json.readOptional()
            case "recreate": spec.recreate = try json.readOptional()
            case "suspend": spec.suspend = try json.readOptional()
            case "rolloutRestart": spec.rolloutRestart = try json.readOptional()
            default: break
            }
        }
        let required = try json.require(recipients, "recipients")
        spec.envelope = EnvelopeFields(
            format: try json.require(format, "format"), scope: try json.require(scope, "scope"),
            recipients: required, mac: try json.require(mac, "mac"),
            data: data ?? [:])
        self = spec
    }

    private static func recipients(_ json: inout JSONReader) throws(JSONError) -> [Recipient] {
        var recipients: [Recipient] = []
        try json.readArray { json throws(JSONError) in
            var keyID, wrappedKey, algorithm: String?
            try json.readObject { key, json throws(JSONError) in
                switch key {
                case "keyID": keyID = try json.read()
                case "wrappedKey": wrappedKey = try json.read()
                case "algorithm": algorithm = try json.readOptional()
                default: break
                }
            }
            recipients.append(
                Recipient(
                    keyID: try json.require(keyID, "keyID"),
                    wrappedKey: try json.require(wrappedKey, "wrappedKey"), algorithm: algorithm))
        }
        return recipients
    }
}

extension WrappedSecretSpec.Template: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        self.init()
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "metadata": metadata = try json.readOptional()
            case "type": type = try json.readOptional()
            case "immutable": immutable = try json.readOptional()
            case "data": data = try json.readOptional()
            default: break
            }
        }
    }
}

extension WrappedSecretSpec.Template.Metadata: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        self.init()
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "name": name = try json.readOptional()
            case "labels": labels = try json.readOptional()
            case "annotations": annotations = try json.readOptional()
            default: break
            }
        }
    }
}

extension WrappedSecretSpec.KeyRef: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        (kind, name) = try json.kindAndName()
    }
}

extension WrappedSecretSpec.Workload: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        (kind, name) = try json.kindAndName()
    }
}

extension JSONReader {
    fileprivate mutating func kindAndName() throws(JSONError) -> (kind: String, name: String) {
        var kind, name: String?
        try readObject { key, json throws(JSONError) in
            switch key {
            case "kind": kind = try json.read()
            case "name": name = try json.read()
            default: break
            }
        }
        return (try require(kind, "kind"), try require(name, "name"))
    }
}
