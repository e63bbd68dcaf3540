package import Envelope
package import JSON
package import KubeClient

/// A key of a KMS, and the namespaces that may use it. Cluster-scoped: only administrators write it, and it alone says where
/// ciphertexts and tokens are sent.
package struct ClusterKeyProvider: KeyProviderObject, Equatable {

    package static let resource = Resource(
        group: "secrets-bridge.io", version: "v1alpha1", kind: "ClusterKeyProvider",
        plural: "clusterkeyproviders")

    package var metadata: ObjectMeta
    package var spec: Spec
    package var status: KeyProviderStatus?

    package struct Spec: Sendable, Equatable {
        /// The settings of each backend that is present. The CRD allows one.
        package var backends: [KeyProviderSettings] = []
        package var identity: Identity?
        package var namespaces: Namespaces?
        /// True if WrappedSecrets of scope `cluster` may use the provider.
        package var allowClusterScope = false
        /// The values that KeyProviders may set. Nil allows none.
        package var keyProviders: AllowedOverrides?
    }

    /// The identity that logs in to the KMS. Without one, the controller's own is used.
    package struct Identity: Sendable, Equatable {
        /// The audience of the tokens, which is that of the KMS and never that of the API server.
        package var audience: String
        /// The name of the service account, in the namespace of the WrappedSecret. Nil if only KeyProviders, which name
        /// their own, log in with a token.
        package var serviceAccountName: String?
    }

    /// The namespaces that may use the provider. None are selected if both are absent.
    package struct Namespaces: Sendable, Equatable {
        package var names: [String]?
        package var matchLabels: [String: String]?
    }

    /// Values, each exact or with `{namespace}` for the namespace of the KeyProvider, or ending in `*`.
    package struct AllowedOverrides: Sendable, Equatable {
        package var keys: [String]?
        package var mounts: [String]?
        package var roles: [String]?
    }
}

/// A key for one namespace: refers to a ClusterKeyProvider, and adds a role, key or mount that it allows. It has no address
/// and no audience.
package struct KeyProvider: KeyProviderObject, Equatable {

    package static let resource = Resource(
        group: "secrets-bridge.io", version: "v1alpha1", kind: "KeyProvider", plural: "keyproviders")

    package var metadata: ObjectMeta
    package var spec: Spec
    package var status: KeyProviderStatus?

    package struct Spec: Sendable, Equatable {
        package var clusterKeyProvider: String
        /// The service account of this namespace that logs in to the KMS.
        package var serviceAccountName: String
        package var key: String?
        package var mount: String?
        package var role: String?
    }
}

/// A ClusterKeyProvider or a KeyProvider.
package protocol KeyProviderObject: KubeObject where ObjectStatus == KeyProviderStatus {
    var metadata: ObjectMeta { get set }
    var status: KeyProviderStatus? { get }
}

extension Decoded where Object: KeyProviderObject {
    /// The status, which also an otherwise malformed provider may have.
    package var status: KeyProviderStatus? {
        switch self {
        case .object(let object): object.status
        case .malformed(_, let status, _): status
        }
    }
}

/// The labels of a namespace.
package struct NamespaceMetadata: KubeObject {
    package static let resource = Resource(group: "", version: "v1", kind: "Namespace", plural: "namespaces")
    package static var isMetadataOnly: Bool { true }
    package let metadata: ObjectMeta

    package init(metadata: ObjectMeta) {
        self.metadata = metadata
    }

    package init(json: inout JSONReader) throws(JSONError) {
        metadata = try PartialObjectMetadata(json: &json, .withoutManagedFields).metadata
    }
}

/// The status of a ClusterKeyProvider or KeyProvider.
package struct KeyProviderStatus: Sendable, Hashable {
    package var observedGeneration: Int64?
    package var conditions: [Condition]?
    /// The id of the key, as recipients carry it.
    package var keyID: String?
    /// The controller that wrote the status, if it watches only a part of the cluster.
    package var reporter: String?

    package init() {}

    package var ready: Condition? { conditions?.first { $0.type == Condition.Kind.ready.rawValue } }
}

/// The reasons of a provider's condition `Ready`. The strings are API.
package enum KeyProviderReason: String, Sendable, CaseIterable {
    /// A data key was wrapped and unwrapped, or the key unwraps and may not wrap.
    case ready = "Ready"
    /// The provider is tested when the first WrappedSecret uses it: it logs in as a service account of that namespace.
    case notTested = "NotTested"
    /// A field is missing or wrong.
    case invalidSpec = "InvalidSpec"
    /// The ClusterKeyProvider does not exist.
    case providerNotFound = "ProviderNotFound"
    /// The ClusterKeyProvider does not allow this namespace, key, mount or role.
    case providerNotAllowed = "ProviderNotAllowed"
    case kmsUnavailable = "KMSUnavailable"
    case accessDenied = "AccessDenied"
    case keyUnavailable = "KeyUnavailable"
    /// The KMS rejects the settings.
    case misconfigured = "Misconfigured"
}
