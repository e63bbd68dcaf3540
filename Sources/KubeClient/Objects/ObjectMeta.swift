/// The part of `metadata` that this product reads (Kubernetes API conventions, "Metadata"). Times stay the
/// text the server sent: they are never compared with the local clock.
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
    /// Whether a cache has left parts out because of their size; see the API server for all of it.
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

    /// Keys of labels and annotations that `manager` set last, by the server's own account.
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

/// An entry of `metadata.ownerReferences`: what the garbage collector follows.
package struct OwnerReference: Sendable, Equatable {
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

/// Namespace and name of an object of a kind that the context tells; namespace is empty for what has none.
package struct ObjectRef: Hashable, Sendable, CustomStringConvertible {
    package let namespace: String
    package let name: String

    package init(namespace: String, name: String) {
        self.namespace = namespace
        self.name = name
    }

    package var description: String { namespace.isEmpty ? name : "\(namespace)/\(name)" }
}
