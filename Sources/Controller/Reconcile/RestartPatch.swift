import KubeClient

/// A merge patch that annotates the pods of a workload, if that is still the one which was looked at.
struct RestartPatch: Encodable {
    private struct Identity: Encodable {
        let uid: String?
        let resourceVersion: String?
    }

    private struct Spec: Encodable {
        struct Template: Encodable {
            struct Metadata: Encodable {
                let annotations: [String: String]
            }

            let metadata: Metadata
        }

        let template: Template
    }

    private let metadata: Identity
    private let spec: Spec

    init(_ current: ObjectMeta, _ annotations: [String: String]) {
        metadata = Identity(uid: current.uid, resourceVersion: current.resourceVersion)
        spec = Spec(template: .init(metadata: .init(annotations: annotations)))
    }
}
