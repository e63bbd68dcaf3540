package import JSON

/// A Lease (coordination.k8s.io/v1), as far as leader election uses it.
package struct Lease: KubeObject {
    package static let resource = Resource(
        group: "coordination.k8s.io", version: "v1", kind: "Lease", plural: "leases")

    /// The times come from the holder's clock. They are kept as the text that the API server sends.
    package struct Spec: Sendable {
        /// The holder, or nil or empty for a released lease.
        package var holderIdentity: String?
        package var leaseDurationSeconds: Int?
        package var acquireTime: String?
        package var renewTime: String?
        package var leaseTransitions: Int?
    }

    package let metadata: ObjectMeta
    package let spec: Spec?

    package init(json: inout JSONReader) throws(JSONError) {
        var metadata: ObjectMeta?
        var spec: Spec?
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "metadata": metadata = try ObjectMeta(json: &json, .withoutManagedFields)
            case "spec": spec = try json.readIfValid()
            default: break
            }
        }
        self.metadata = try json.require(metadata, "metadata")
        self.spec = spec
    }
}

/// A field of the wrong type is treated as missing. Otherwise a lease with such a field could never be acquired.
extension Lease.Spec: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "holderIdentity": holderIdentity = try json.readIfValid()
            case "leaseDurationSeconds": leaseDurationSeconds = try json.readIfValid()
            case "acquireTime": acquireTime = try json.readIfValid()
            case "renewTime": renewTime = try json.readIfValid()
            case "leaseTransitions": leaseTransitions = try json.readIfValid()
            default: break
            }
        }
    }
}
