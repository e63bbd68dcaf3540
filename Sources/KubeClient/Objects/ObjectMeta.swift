package import JSON

/// The part of `metadata` that this product reads (Kubernetes API conventions, "Metadata"). Times stay in the server's
/// text form and are never compared with the local clock.
package struct ObjectMeta: Sendable, Equatable {
    package var name: String
    package var namespace: String?
    package var uid: String?
    package var resourceVersion: String?
    package var generation: Int64?
    package var creationTimestamp: String?
    package var deletionTimestamp: String?
    package var labels: [String: String]?
    package var annotations: [String: String]?
    package var ownerReferences: [OwnerReference]?
    package var managedFields: [ManagedFieldsEntry]?
    /// True if a cache has dropped large parts. The API server has the complete metadata.
    package var isAbridged = false

    package init(
        name: String, namespace: String? = nil, uid: String? = nil, resourceVersion: String? = nil,
        generation: Int64? = nil, labels: [String: String]? = nil, annotations: [String: String]? = nil,
        ownerReferences: [OwnerReference]? = nil, managedFields: [ManagedFieldsEntry]? = nil
    ) {
        self.name = name
        self.namespace = namespace
        self.uid = uid
        self.resourceVersion = resourceVersion
        self.generation = generation
        self.labels = labels
        self.annotations = annotations
        self.ownerReferences = ownerReferences
        self.managedFields = managedFields
    }

    /// Returns the keys of labels and annotations that `manager` owns according to `managedFields`.
    package func keysOwned(by manager: String) -> (labels: Set<String>, annotations: Set<String>) {
        var labels: Set<String> = []
        var annotations: Set<String> = []
        for fields in managedFields ?? [] where fields.manager == manager {
            labels.formUnion(fields.labels)
            annotations.formUnion(fields.annotations)
        }
        return (labels, annotations)
    }

    package var ref: ObjectRef { ObjectRef(namespace: namespace ?? "", name: name) }
}

/// An entry of `metadata.ownerReferences`, which the garbage collector follows.
package struct OwnerReference: Sendable, Hashable {
    package var apiVersion: String
    package var kind: String
    package var name: String
    package var uid: String
    package var controller: Bool?
    package var blockOwnerDeletion: Bool?

    package init(apiVersion: String, kind: String, name: String, uid: String, controller: Bool? = nil) {
        self.apiVersion = apiVersion
        self.kind = kind
        self.name = name
        self.uid = uid
        self.controller = controller
        self.blockOwnerDeletion = nil
    }
}

/// The namespace and the name of an object whose kind is known from the context. The namespace is empty for cluster-scoped
/// objects.
package struct ObjectRef: Hashable, Sendable, CustomStringConvertible {
    package let namespace: String
    package let name: String

    package init(namespace: String, name: String) {
        self.namespace = namespace
        self.name = name
    }

    package var description: String { namespace.isEmpty ? name : "\(namespace)/\(name)" }
}

extension ObjectMeta: JSONReadable {
    /// The parts of the metadata that are read. The others are skipped without copies.
    package enum Extent: Sendable {
        /// The name, the namespace, the uid, the resourceVersion and the generation, as in the response to a write.
        case identity
        /// Everything but `managedFields`, which matter only for Secrets.
        case withoutManagedFields
        case complete
    }

    package init(json: inout JSONReader) throws(JSONError) {
        try self.init(json: &json, .complete)
    }

    package init(json: inout JSONReader, _ extent: Extent) throws(JSONError) {
        self.init(name: "")
        try json.readObject { key, json throws(JSONError) in try read(key, &json, extent) }
        // Every object of the API server has a name.
        if name.isEmpty { throw json.error(.missing).prefixingPath(.key("name")) }
    }

    /// Sets the fields that `json` contains. Skips fields of the wrong type, and keeps what was read before a syntax error,
    /// so that a malformed object can still be identified.
    mutating func salvage(_ json: inout JSONReader, _ extent: Extent) throws(JSONError) {
        try json.readObject { key, json throws(JSONError) in
            _ = try json.attempt { json throws(JSONError) in try read(key, &json, extent) }
        }
    }

    private mutating func read(
        _ key: JSONKey, _ json: inout JSONReader, _ extent: Extent
    ) throws(JSONError) {
        switch key {
        case "name": name = try json.read()
        case "namespace": namespace = try json.readOptional()
        case "uid": uid = try json.readOptional()
        case "resourceVersion": resourceVersion = try json.readOptional()
        case "generation": generation = try json.readOptional()
        case _ where extent == .identity: break
        case "creationTimestamp": creationTimestamp = try json.readOptional()
        case "deletionTimestamp": deletionTimestamp = try json.readOptional()
        case "labels": labels = try json.readOptional()
        case "annotations": annotations = try json.consumeNull() ? nil : try Self.annotations(&json)
        case "ownerReferences": ownerReferences = try json.readOptional()
        case "managedFields" where extent == .complete: managedFields = try Self.managedFields(&json)
        default: break
        }
    }

    /// Reads annotations, except that in which kubectl stores the last applied object: for a Secret it contains the
    /// values.
    private static func annotations(_ json: inout JSONReader) throws(JSONError) -> [String: String] {
        var annotations: [String: String] = [:]
        try json.readObject { key, json throws(JSONError) in
            if case "kubectl.kubernetes.io/last-applied-configuration" = key { return }
            annotations[try json.text(of: key)] = try json.read()
        }
        return annotations
    }

    /// Reads the entries and skips invalid ones, since anyone who may change the object may write anything there.
    private static func managedFields(
        _ json: inout JSONReader
    ) throws(JSONError) -> [ManagedFieldsEntry]? {
        try json.attempt { json throws(JSONError) in
            var entries: [ManagedFieldsEntry] = []
            try json.readArray { json throws(JSONError) in
                if let entry = try json.readIfValid(ManagedFieldsEntry.self) { entries.append(entry) }
            }
            return entries
        }
    }
}

extension OwnerReference: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        var apiVersion, kind, name, uid: String?
        var controller, blockOwnerDeletion: Bool?
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "apiVersion": apiVersion = try json.read()
            case "kind": kind = try json.read()
            case "name": name = try json.read()
            case "uid": uid = try json.read()
            case "controller": controller = try json.readOptional()
            case "blockOwnerDeletion": blockOwnerDeletion = try json.readOptional()
            default: break
            }
        }
        self.init(
            apiVersion: try json.require(apiVersion, "apiVersion"), kind: try json.require(kind, "kind"),
            name: try json.require(name, "name"), uid: try json.require(uid, "uid"), controller: controller)
        self.blockOwnerDeletion = blockOwnerDeletion
    }
}
