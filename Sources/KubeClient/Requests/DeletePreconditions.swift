/// What must still be true of an object for a delete to happen.
package struct DeletePreconditions: Encodable, Sendable, Equatable {
    package var uid: String?
    package var resourceVersion: String?

    package init(uid: String? = nil, resourceVersion: String? = nil) {
        self.uid = uid
        self.resourceVersion = resourceVersion
    }
}

/// When dependents go: before the object, with it, or not at all.
package enum DeletionPropagation: String, Encodable, Sendable {
    case foreground = "Foreground"
    case background = "Background"
    case orphan = "Orphan"
}

struct DeleteOptions: Encodable {
    let apiVersion = "v1"
    let kind = "DeleteOptions"
    let preconditions: DeletePreconditions?
    let propagationPolicy: DeletionPropagation?
}
