import Envelope
package import JSON
import KubeClient

extension WrappedSecret {
    package init(json: inout JSONReader) throws(JSONError) {
        var metadata: ObjectMeta?
        var spec: WrappedSecretSpec?
        var status: WrappedSecretStatus?
        try json.object { key, json throws(JSONError) in
            switch key {
            case "metadata": metadata = try json.read()
            case "spec": spec = try json.read()
            case "status": status = try json.optional()
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
        var spec = WrappedSecretSpec(
            envelope: EnvelopeFields(format: "", scope: "", recipients: [], mac: "", data: [:]))
        try json.object { key, json throws(JSONError) in
            switch key {
            case "format": format = try json.read()
            case "scope": scope = try json.read()
            case "recipients": recipients = try Self.recipients(&json)
            case "mac": mac = try json.read()
            case "data": data = try json.optional()
            case "template": spec.template = try json.optional()
            case "keyRef": spec.keyRef = try json.optional()
            case "creationPolicy": spec.creationPolicy = try json.optional()
            case "recreate": spec.recreate = try json.optional()
            case "suspend": spec.suspend = try json.optional()
            case "rolloutRestart": spec.rolloutRestart = try json.optional()
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
        try json.array { json throws(JSONError) in
            var keyID, wrappedKey: String?
            try json.object { key, json throws(JSONError) in
                switch key {
                case "keyID": keyID = try json.read()
                case "wrappedKey": wrappedKey = try json.read()
                default: break
                }
            }
            recipients.append(
                Recipient(
                    keyID: try json.require(keyID, "keyID"),
                    wrappedKey: try json.require(wrappedKey, "wrappedKey")))
        }
        return recipients
    }
}

extension WrappedSecretSpec.Template: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        self.init()
        try json.object { key, json throws(JSONError) in
            switch key {
            case "metadata": metadata = try json.optional()
            case "type": type = try json.optional()
            case "immutable": immutable = try json.optional()
            default: break
            }
        }
    }
}

extension WrappedSecretSpec.Template.Metadata: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        self.init()
        try json.object { key, json throws(JSONError) in
            switch key {
            case "name": name = try json.optional()
            case "labels": labels = try json.optional()
            case "annotations": annotations = try json.optional()
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
        try object { key, json throws(JSONError) in
            switch key {
            case "kind": kind = try json.read()
            case "name": name = try json.read()
            default: break
            }
        }
        return (try require(kind, "kind"), try require(name, "name"))
    }
}
