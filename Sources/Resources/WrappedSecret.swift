package import Envelope
package import KubeClient
import System

/// The custom resource, as the API server or a file gives it: shaped right, and otherwise unchecked.
/// What it asks for, checked, is its `DesiredSecret`.
package struct WrappedSecret: KubeObject, Equatable {
    package typealias ObjectStatus = WrappedSecretStatus

    package static let resource = Resource(
        group: "secrets-bridge.io", version: "v1alpha1", kind: "WrappedSecret", plural: "wrappedsecrets")

    package var metadata: ObjectMeta
    package var spec: WrappedSecretSpec
    package var status: WrappedSecretStatus?
    /// Whether a cache has left parts of the spec out because of their size; see the API server for all of it.
    package var isAbridged = false

    package init(metadata: ObjectMeta, spec: WrappedSecretSpec, status: WrappedSecretStatus? = nil) {
        self.metadata = metadata
        self.spec = spec
        self.status = status
    }

    /// Name of the Secret that is made: the template's, else the object's own.
    package var secretName: String { spec.template?.metadata?.name ?? metadata.name }

    /// What somebody wrote to have the Secret made again; as much of it as the status holds.
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

        package init(metadata: Metadata? = nil, type: String? = nil, immutable: Bool? = nil) {
            self.metadata = metadata
            self.type = type
            self.immutable = immutable
        }
    }

    package struct KeyRef: Sendable, Equatable {
        package var kind: String
        package var name: String
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
    package var recreate: Bool?
    package var suspend: Bool?
    package var rolloutRestart: [Workload]?

    /// What is to be restarted when the values have changed.
    package var workloadsToRestart: [Workload] { rolloutRestart ?? [] }
    /// Whether the Secret outlives the WrappedSecret.
    package var isOrphan: Bool { creationPolicy == "Orphan" }
    /// Whether the Secret is somebody else's, and only our entries go into it.
    package var isMerge: Bool { creationPolicy == "Merge" }

    package init(envelope: EnvelopeFields, template: Template? = nil) {
        self.envelope = envelope
        self.template = template
    }
}

extension Decoded<WrappedSecret> {
    /// The status, also of an object that is malformed otherwise.
    package var status: WrappedSecretStatus? {
        switch self {
        case .object(let object): object.status
        case .malformed(_, let status, _): status
        }
    }
}
