import Cryptography
import JSON
import KubeClient
import Resources

/// A WrappedSecret as the API server has it, with the field managers that own its fields.
struct ManagedWrappedSecret: KubeObject {
    static var resource: Resource { WrappedSecret.resource }

    struct FieldManager: Sendable {
        let name: String
        /// Whether it writes by server-side apply, which conflicts with what others own, and not by update.
        let usesServerSideApply: Bool
        let fields: FieldSet
    }

    let metadata: ObjectMeta
    private let managers: [FieldManager]
    private let hasLastApplied: Bool
    private let rawMetadata: [UInt8]
    private let rawSpec: [UInt8]

    init(json: inout JSONReader) throws(JSONError) {
        let start = json.position
        metadata = try ObjectHeader(json: &json).metadata
        json.rewind(to: start)
        var accounts: Accounts?
        var rawMetadata: [UInt8]?
        var rawSpec: [UInt8]?
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "metadata":
                let start = json.position
                accounts = try Accounts(json: &json)
                json.rewind(to: start)
                rawMetadata = Array(try json.readRawValue())
            case "spec": rawSpec = Array(try json.readRawValue())
            default: break
            }
        }
        managers = accounts?.managers ?? []
        hasLastApplied = accounts?.hasLastApplied ?? false
        self.rawMetadata = try json.require(rawMetadata, "metadata")
        self.rawSpec = try json.require(rawSpec, "spec")
    }

    /// Managers that own `spec.recipients`.
    var recipientManagers: [FieldManager] {
        managers.filter { $0.fields["spec", "recipients"] != nil }
    }

    /// Whether the API server writes what `manager` applies into the annotation that client-side apply compares with
    /// (KEP 555, "lastAppliedUpdater"). A resourceVersion there would break the next client-side apply.
    private func isCopiedToAnnotation(of manager: FieldManager) -> Bool {
        manager.name == "kubectl" && hasLastApplied
    }

    /// The manifest by which `manager` applies what it owns, with other recipients.
    ///
    /// - Parameter recipients: as JSON.
    func applyConfiguration(
        of manager: FieldManager, recipients: [UInt8]
    ) throws(AppliedConfiguration.ExtractionError) -> SharedSecret {
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
        try json.readObject { key, json throws(JSONError) in
            if case "metadata" = key { metadata = try json.read() }
        }
        self.metadata = try json.require(metadata, "metadata")
    }
}

/// What `metadata` says of who wrote the object. An entry of `managedFields` that cannot be read, or of another version
/// of the API, is left out.
private struct Accounts: JSONReadable {
    private(set) var managers: [ManagedWrappedSecret.FieldManager] = []
    /// Whether client-side apply has left its annotation.
    private(set) var hasLastApplied = false

    init(json: inout JSONReader) throws(JSONError) {
        try json.readObject { key, json throws(JSONError) in
            if case "annotations" = key {
                try json.readObject { key, _ throws(JSONError) in
                    if case "kubectl.kubernetes.io/last-applied-configuration" = key { hasLastApplied = true }
                }
            }
            guard case "managedFields" = key else { return }
            _ = try json.attempt { json throws(JSONError) in
                try json.readArray { json throws(JSONError) in
                    guard let entry = try json.readIfValid(Entry.self), let manager = entry.manager else {
                        return
                    }
                    managers.append(manager)
                }
            }
        }
    }

    private struct Entry: JSONReadable {
        private(set) var manager: ManagedWrappedSecret.FieldManager?

        init(json: inout JSONReader) throws(JSONError) {
            var name = ""
            var operation: String?
            var version: String?
            var subresource = ""
            var fields: FieldSet?
            try json.readObject { key, json throws(JSONError) in
                switch key {
                case "manager": name = try json.readString()
                case "operation": operation = try json.readString()
                case "apiVersion": version = try json.readString()
                case "subresource": subresource = try json.readString()
                case "fieldsV1": fields = try json.read()
                default: break
                }
            }
            guard version == WrappedSecret.resource.apiVersion, subresource.isEmpty, !name.isEmpty, let fields
            else { return }
            manager = .init(name: name, usesServerSideApply: operation == "Apply", fields: fields)
        }
    }
}
