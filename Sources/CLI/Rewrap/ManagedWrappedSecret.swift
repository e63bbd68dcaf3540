import Cryptography
import JSON
import KubeClient
import Resources

/// A WrappedSecret in the cluster with the field managers that own its fields.
struct ManagedWrappedSecret: KubeObject {
    static var resource: Resource { WrappedSecret.resource }

    struct FieldManager: Sendable {
        let name: String
        /// True for server-side apply, which conflicts with other owners, and false for update.
        let usesServerSideApply: Bool
        let fields: FieldSet
    }

    let metadata: ObjectMeta
    private let managers: [FieldManager]
    private let hasLastApplied: Bool
    private let rawMetadata: [UInt8]
    private let rawSpec: [UInt8]

    init(json: inout JSONReader) throws(JSONError) {
        var metadata: ObjectMeta?
        var writers: Writers?
        var rawMetadata: [UInt8]?
        var rawSpec: [UInt8]?
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "metadata":
                let start = json.position
                metadata = try json.read()
                json.rewind(to: start)
                writers = try Writers(json: &json)
                json.rewind(to: start)
                rawMetadata = Array(try json.readRawValue())
            case "spec": rawSpec = Array(try json.readRawValue())
            default: break
            }
        }
        self.metadata = try json.require(metadata, "metadata")
        managers = writers?.managers ?? []
        hasLastApplied = writers?.hasLastApplied ?? false
        self.rawMetadata = try json.require(rawMetadata, "metadata")
        self.rawSpec = try json.require(rawSpec, "spec")
    }

    /// The managers that own `spec.recipients`.
    var recipientManagers: [FieldManager] {
        managers.filter { $0.fields["spec", "recipients"] != nil }
    }

    /// Returns true if the API server copies what `manager` applies to the annotation of client-side apply (KEP 555,
    /// "lastAppliedUpdater"). A resourceVersion in there would break the next client-side apply.
    private func isCopiedToAnnotation(of manager: FieldManager) -> Bool {
        manager.name == "kubectl" && hasLastApplied
    }

    /// Returns the manifest with which `manager` applies the fields that it owns, with other recipients.
    ///
    /// - Parameter recipients: The recipients as JSON.
    func applyConfiguration(
        of manager: FieldManager, recipients: [UInt8]
    ) throws(AppliedConfiguration.ExtractionError) -> SharedSecret {
        let configuration = AppliedConfiguration(replacements: ["spec.recipients": recipients])
        var json = JSONSecretWriter()
        json.beginManifest(WrappedSecret.resource, metadata.ref)
        // The uid restricts the apply to the object that was read.
        json.member("uid", metadata.uid ?? "")
        if !isCopiedToAnnotation(of: manager) {
            json.member("resourceVersion", metadata.resourceVersion ?? "")
        }
        if let fields = manager.fields["metadata"] {
            try configuration.write(fields, of: rawMetadata, at: "metadata", to: &json)
        }
        json.endObject()
        json.key("spec")
        json.beginObject()
        if let fields = manager.fields["spec"] {
            try configuration.write(fields, of: rawSpec, at: "spec", to: &json)
        }
        json.endObject()
        json.endObject()
        return SharedSecret(json.finish())
    }
}

/// The writers of an object, from its `metadata`. Entries of `managedFields` that are malformed or of another API
/// version are skipped.
private struct Writers: JSONReadable {
    private(set) var managers: [ManagedWrappedSecret.FieldManager] = []
    /// True if the object has the annotation of client-side apply.
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
