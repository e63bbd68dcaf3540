import JSON
import KubeClient
import Primitives
import Resources

/// A WrappedSecret as the API server has it, with the field managers that own its fields.
struct ManagedWrappedSecret: KubeObject {
    static var resource: Resource { WrappedSecret.resource }

    struct Manager: Sendable {
        let name: String
        /// Whether it writes by server-side apply, which conflicts with what others own, and not by update.
        let applies: Bool
        let fields: FieldSet
    }

    let metadata: ObjectMeta
    private let managers: [Manager]
    private let hasLastApplied: Bool
    private let rawMetadata: [UInt8]
    private let rawSpec: [UInt8]

    init(json: inout JSONReader) throws(JSONError) {
        let start = json.mark
        metadata = try ObjectHeader(json: &json).metadata
        json.rewind(to: start)
        var accounts: Accounts?
        var rawMetadata: [UInt8]?
        var rawSpec: [UInt8]?
        try json.object { key, json throws(JSONError) in
            switch key {
            case "metadata":
                let start = json.mark
                accounts = try Accounts(json: &json)
                json.rewind(to: start)
                rawMetadata = Array(try json.rawValue())
            case "spec": rawSpec = Array(try json.rawValue())
            default: break
            }
        }
        managers = accounts?.managers ?? []
        hasLastApplied = accounts?.hasLastApplied ?? false
        self.rawMetadata = try json.require(rawMetadata, "metadata")
        self.rawSpec = try json.require(rawSpec, "spec")
    }

    /// Managers that own `spec.recipients`.
    var recipientOwners: [Manager] {
        managers.filter { $0.fields["spec", "recipients"] != nil }
    }

    /// Whether the API server writes what `manager` applies into the annotation that client-side apply compares with
    /// (KEP 555, "lastAppliedUpdater"). A resourceVersion there would break the next client-side apply.
    private func isCopiedToAnnotation(of manager: Manager) -> Bool {
        manager.name == "kubectl" && hasLastApplied
    }

    /// The manifest by which `manager` applies what it owns, with other recipients.
    ///
    /// - Parameter recipients: as JSON.
    func configuration(
        of manager: Manager, recipients: [UInt8]
    ) throws(AppliedConfiguration.Unreadable) -> SharedSecret {
        let configuration = AppliedConfiguration(replacements: ["spec.recipients": recipients])
        var json = JSONSecretWriter()
        json.beginObject()
        for (key, value) in [
            ("apiVersion", WrappedSecret.resource.apiVersion), ("kind", WrappedSecret.resource.kind),
        ] {
            json.key(key)
            json.string(value)
        }
        json.key("metadata")
        json.beginObject()
        // The object that was read, and no other.
        var identity = [
            ("name", metadata.name), ("namespace", metadata.namespace ?? ""), ("uid", metadata.uid ?? ""),
        ]
        if !isCopiedToAnnotation(of: manager) {
            identity.append(("resourceVersion", metadata.resourceVersion ?? ""))
        }
        for (key, value) in identity {
            json.key(key)
            json.string(value)
        }
        for (key, object) in [("metadata", rawMetadata), ("spec", rawSpec)] {
            if key == "spec" {
                json.endObject()
                json.key(key)
                json.beginObject()
            }
            if let fields = manager.fields[key] {
                try configuration.write(fields, of: object, at: key, to: &json)
            }
        }
        json.endObject()
        json.endObject()
        return SharedSecret(json.finish())
    }
}

/// The metadata that every object has.
private struct ObjectHeader: JSONReadable {
    let metadata: ObjectMeta

    init(json: inout JSONReader) throws(JSONError) {
        var metadata: ObjectMeta?
        try json.object { key, json throws(JSONError) in
            if case "metadata" = key { metadata = try json.read() }
        }
        self.metadata = try json.require(metadata, "metadata")
    }
}

/// What `metadata` says of who wrote the object. An entry of `managedFields` that cannot be read, or of another version
/// of the API, is left out.
private struct Accounts: JSONReadable {
    private(set) var managers: [ManagedWrappedSecret.Manager] = []
    /// Whether client-side apply has left its annotation.
    private(set) var hasLastApplied = false

    init(json: inout JSONReader) throws(JSONError) {
        try json.object { key, json throws(JSONError) in
            if case "annotations" = key {
                try json.object { key, _ throws(JSONError) in
                    if case "kubectl.kubernetes.io/last-applied-configuration" = key { hasLastApplied = true }
                }
            }
            guard case "managedFields" = key else { return }
            _ = try json.ifReadable { json throws(JSONError) in
                try json.array { json throws(JSONError) in
                    guard let entry = try json.readable(Entry.self), let manager = entry.manager else {
                        return
                    }
                    managers.append(manager)
                }
            }
        }
    }

    private struct Entry: JSONReadable {
        private(set) var manager: ManagedWrappedSecret.Manager?

        init(json: inout JSONReader) throws(JSONError) {
            var name = ""
            var operation: String?
            var version: String?
            var subresource = ""
            var fields: FieldSet?
            try json.object { key, json throws(JSONError) in
                switch key {
                case "manager": name = try json.string()
                case "operation": operation = try json.string()
                case "apiVersion": version = try json.string()
                case "subresource": subresource = try json.string()
                case "fieldsV1": fields = try json.read()
                default: break
                }
            }
            guard version == WrappedSecret.resource.apiVersion, subresource.isEmpty, !name.isEmpty, let fields
            else { return }
            manager = .init(name: name, applies: operation == "Apply", fields: fields)
        }
    }
}
