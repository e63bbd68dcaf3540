package import Envelope
package import KubeClient
import System

/// The custom resource as the API server or a file contains it: decoded and not validated. `DesiredSecret` validates it.
package struct WrappedSecret: KubeObject, Equatable {
    package typealias ObjectStatus = WrappedSecretStatus

    package static let resource = Resource(
        group: "secrets-bridge.io", version: "v1alpha1", kind: "WrappedSecret", plural: "wrappedsecrets")

    package var metadata: ObjectMeta
    package var spec: WrappedSecretSpec
    package var status: WrappedSecretStatus?
    /// True if a cache has dropped parts of the spec because of their size; the API server has all of it.
    package var isAbridged = false

    package init(metadata: ObjectMeta, spec: WrappedSecretSpec, status: WrappedSecretStatus? = nil) {
        self.metadata = metadata
        self.spec = spec
        self.status = status
    }

    /// The name of the Secret: that of the template, or that of the object if the template has none.
    package var secretName: String { spec.template?.metadata?.name ?? metadata.name }

    /// The value of the annotation that requests a new sync, cut to the length that the status can record.
    package var requestedSync: String? {
        metadata.annotations?[OwnershipMetadata.syncAnnotation]?.truncated(toUTF8: 256)
    }
}

package struct WrappedSecretSpec: Sendable, Equatable {
    package struct Template: Sendable, Equatable {
        package struct Metadata: Sendable, Equatable {
            package var name: String?
            package var labels: [String: String]?
            package var annotations: [String: String]?

            package init(
                name: String? = nil, labels: [String: String]? = nil, annotations: [String: String]? = nil
            ) {
                self.name = name
                self.labels = labels
                self.annotations = annotations
            }
        }

        package var metadata: Metadata?
        package var type: String?
        package var immutable: Bool?
        /// Templates by the key of the Secret that they render: `SecretTemplate`.
        package var data: [String: String]?

        package init(
            metadata: Metadata? = nil, type: String? = nil, immutable: Bool? = nil,
            data: [String: String]? = nil
        ) {
            self.metadata = metadata
            self.type = type
            self.immutable = immutable
            self.data = data
        }
    }

    /// Names the ClusterKeyProvider, or the KeyProvider of the same namespace, that unwraps the data key.
    package struct KeyRef: Sendable, Equatable {
        package var kind: String
        package var name: String

        package init(kind: String, name: String) {
            self.kind = kind
            self.name = name
        }
    }

    package struct Workload: Sendable, Equatable {
        package var kind: String
        package var name: String

        package init(kind: String, name: String) {
            self.kind = kind
            self.name = name
        }
    }

    package var envelope: EnvelopeFields
    package var template: Template?
    package var keyRef: KeyRef?
    package var creationPolicy: String?
    /// True if the controller may delete a Secret that it cannot update, and create it again.
    package var recreate: Bool?
    package var suspend: Bool?
    package var rolloutRestart: [Workload]?

    /// The workloads to restart after the values have changed.
    package var workloadsToRestart: [Workload] { rolloutRestart ?? [] }
    /// True if the Secret outlives the WrappedSecret.
    package var isOrphan: Bool { creationPolicy == "Orphan" }
    /// True if the Secret has another owner, and the controller only adds entries to it.
    package var isMerge: Bool { creationPolicy == "Merge" }

    package init(envelope: EnvelopeFields, template: Template? = nil) {
        self.envelope = envelope
        self.template = template
    }
}

extension WrappedSecretSpec.Workload {
    /// The API resource of the workload, or nil for a kind that cannot be restarted.
    package var resource: Resource? {
        Self.plurals[kind].map { Resource(group: "apps", version: "v1", kind: kind, plural: $0) }
    }

    static var kinds: [String] { plurals.keys.sorted() }

    private static let plurals = [
        "Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets",
    ]
}

extension Decoded<WrappedSecret> {
    /// The status, which also an otherwise malformed object may have.
    package var status: WrappedSecretStatus? {
        switch self {
        case .object(let object): object.status
        case .malformed(_, let status, _): status
        }
    }
}
