import JSON
import KubeClient

/// A `coordination.k8s.io/v1` Lease, as far as leader election reads it.
struct Lease: KubeObject {
    static let resource = Resource(
        group: "coordination.k8s.io", version: "v1", kind: "Lease", plural: "leases")

    struct Spec: Sendable {
        var holderIdentity: String?
        var leaseDurationSeconds: Int?
        var acquireTime: String?
        var renewTime: String?
        var leaseTransitions: Int?
    }

    let metadata: ObjectMeta
    let spec: Spec?

    init(json: inout JSONReader) throws(JSONError) {
        var metadata: ObjectMeta?
        var spec: Spec?
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "metadata": metadata = try json.read()
            case "spec": spec = try json.readIfValid()
            default: break
            }
        }
        self.metadata = try json.require(metadata, "metadata")
        self.spec = spec
    }
}

/// A field of another shape is left out, as if it were not set: a lease that cannot be read could never be taken.
extension Lease.Spec: JSONReadable {
    init(json: inout JSONReader) throws(JSONError) {
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

/// What candidates compare and keep of a lease. Its times are other people's clocks: they are written for people
/// to read, compared for equality, and never with a clock of ours.
struct LeaseRecord: Equatable, Sendable {
    /// Empty: released, or never held.
    var holder = ""
    /// How long others must leave it alone after they saw it change.
    var durationSeconds: Int?
    var acquireTime: String?
    var renewTime: String?
    var transitions = 0
    var resourceVersion = ""

    init() {}

    init(_ lease: Lease) {
        holder = lease.spec?.holderIdentity ?? ""
        durationSeconds = lease.spec?.leaseDurationSeconds
        acquireTime = lease.spec?.acquireTime
        renewTime = lease.spec?.renewTime
        transitions = lease.spec?.leaseTransitions ?? 0
        resourceVersion = lease.metadata.resourceVersion ?? ""
    }

    /// Whether the holder has written since. An annotation that somebody puts on the lease is no sign of life.
    func isSameRecord(as other: LeaseRecord) -> Bool {
        var other = other
        other.resourceVersion = resourceVersion
        return self == other
    }
}

/// What is to be written. The times are put in as it is sent.
struct LeaseClaim: Equatable, Sendable {
    /// Empty to release it.
    var holder: String
    var durationSeconds: Int
    var transitions: Int
    /// nil: now.
    var acquireTime: String?
}
