package import Envelope
package import KubeClient

/// The providers and namespaces that are known, for example from a watch.
package protocol ProviderCatalog: Sendable {
    func clusterKeyProvider(_ name: String) -> Decoded<ClusterKeyProvider>?
    func keyProvider(_ ref: ObjectRef) -> Decoded<KeyProvider>?
    /// Returns the labels of a namespace, or nil if they are not known.
    func labels(ofNamespace name: String) -> [String: String]?
}

/// A key and the identity that uses it, as a provider gives them to one namespace. Two that are equal can share a connection,
/// a login and a circuit breaker.
package struct ResolvedProvider: Hashable, Sendable {
    /// A service account and the audience of its tokens.
    package struct ServiceAccount: Hashable, Sendable {
        package let ref: ObjectRef
        package let audience: String

        package init(ref: ObjectRef, audience: String) {
            self.ref = ref
            self.audience = audience
        }
    }

    package let provider: ProviderRef
    /// The ClusterKeyProvider that the provider is or refers to.
    package let clusterKeyProvider: String
    /// The uid of the provider: one that was deleted and created again is another.
    package let uid: String
    package let settings: KeyProviderSettings
    /// Nil for the controller's own identity.
    package let serviceAccount: ServiceAccount?

    package init(
        provider: ProviderRef, clusterKeyProvider: String, uid: String, settings: KeyProviderSettings,
        serviceAccount: ServiceAccount?
    ) {
        self.provider = provider
        self.clusterKeyProvider = clusterKeyProvider
        self.uid = uid
        self.settings = settings
        self.serviceAccount = serviceAccount
    }
}

/// A ClusterKeyProvider, whose namespace is empty, or a KeyProvider.
package struct ProviderRef: Hashable, Sendable, CustomStringConvertible {
    package let kind: String
    package let object: ObjectRef

    package init(clusterKeyProvider name: String) {
        kind = ClusterKeyProvider.resource.kind
        object = ObjectRef(namespace: "", name: name)
    }

    package init(keyProvider ref: ObjectRef) {
        kind = KeyProvider.resource.kind
        object = ref
    }

    /// The provider that a WrappedSecret of this namespace refers to.
    package init(_ reference: WrappedSecretSpec.KeyRef, namespace: String) {
        if reference.kind == KeyProvider.resource.kind {
            self.init(keyProvider: ObjectRef(namespace: namespace, name: reference.name))
        } else {
            self.init(clusterKeyProvider: reference.name)
        }
    }

    package var isClusterScoped: Bool { kind == ClusterKeyProvider.resource.kind }

    /// `ClusterKeyProvider eu` or `KeyProvider payments/eu`
    package var description: String { isClusterScoped ? "\(kind) \(object.name)" : "\(kind) \(object)" }
}

/// A provider cannot be used. The message names it.
package struct ProviderError: Error, Equatable, Sendable {
    /// `providerNotFound`, `providerNotReady` or `providerNotAllowed`.
    package let reason: Reason
    package let message: String

    package init(reason: Reason, message: String) {
        self.reason = reason
        self.message = message
    }
}

/// Decides, without a request, which key and identity a namespace gets from a provider.
package struct ProviderResolution: Sendable {
    private let catalog: any ProviderCatalog
    /// The audiences of the API server. A token for one of them would let a KMS act as the service account in the cluster.
    private let deniedAudiences: Set<String>

    package init(_ catalog: any ProviderCatalog, deniedAudiences: Set<String> = []) {
        self.catalog = catalog
        self.deniedAudiences = deniedAudiences
    }

    /// Returns the key and identity for a WrappedSecret.
    ///
    /// - Parameters:
    ///   - namespace: The namespace of the WrappedSecret.
    ///   - usesClusterScope: True if the WrappedSecret has the scope `cluster`.
    package func resolve(
        _ reference: ProviderRef, for namespace: String, usesClusterScope: Bool = false
    ) throws(ProviderError) -> ResolvedProvider {
        let keyProvider =
            reference.isClusterScoped ? nil : try object(catalog.keyProvider(reference.object), reference)
        let clusterRef = ProviderRef(
            clusterKeyProvider: keyProvider?.spec.clusterKeyProvider ?? reference.object.name)
        let cluster = try object(
            catalog.clusterKeyProvider(clusterRef.object.name), clusterRef, usedBy: keyProvider)
        try checkNamespace(namespace, cluster, clusterRef)
        guard !usesClusterScope || cluster.spec.allowClusterScope else {
            throw ProviderError(
                reason: .providerNotAllowed,
                message:
                    "\(clusterRef) does not allow WrappedSecrets of scope cluster; wrap the values with another "
                    + "scope, or let an administrator set spec.allowClusterScope")
        }
        return ResolvedProvider(
            provider: reference, clusterKeyProvider: clusterRef.object.name,
            uid: (keyProvider?.metadata ?? cluster.metadata).uid ?? "",
            settings: try settings(cluster, clusterRef, keyProvider),
            serviceAccount: try serviceAccount(cluster, clusterRef, keyProvider, namespace))
    }

    /// Returns the settings for a user of the command line, who has credentials of their own. The namespaces that may use
    /// the provider are the controller's to check.
    package func userSettings(_ reference: ProviderRef) throws(ProviderError) -> KeyProviderSettings {
        let keyProvider =
            reference.isClusterScoped ? nil : try object(catalog.keyProvider(reference.object), reference)
        let clusterRef = ProviderRef(
            clusterKeyProvider: keyProvider?.spec.clusterKeyProvider ?? reference.object.name)
        let cluster = try object(
            catalog.clusterKeyProvider(clusterRef.object.name), clusterRef, usedBy: keyProvider)
        return try settings(cluster, clusterRef, keyProvider)
    }

    /// Returns the settings to test a provider with, whatever namespaces may use it. The service account of a
    /// ClusterKeyProvider has no namespace, because each namespace has its own.
    package func resolveForTest(_ reference: ProviderRef) throws(ProviderError) -> ResolvedProvider {
        guard reference.isClusterScoped else {
            return try resolve(reference, for: reference.object.namespace)
        }
        let cluster = try object(catalog.clusterKeyProvider(reference.object.name), reference)
        return ResolvedProvider(
            provider: reference, clusterKeyProvider: reference.object.name, uid: cluster.metadata.uid ?? "",
            settings: try settings(cluster, reference, nil),
            serviceAccount: try serviceAccount(cluster, reference, nil, ""))
    }

    /// Returns true if the provider still gives this key and identity.
    package func isCurrent(_ resolved: ResolvedProvider) -> Bool {
        guard let present = try? resolveForTest(resolved.provider) else { return false }
        return present.uid == resolved.uid && present.settings == resolved.settings
            && present.clusterKeyProvider == resolved.clusterKeyProvider
            && present.serviceAccount?.ref.name == resolved.serviceAccount?.ref.name
            && present.serviceAccount?.audience == resolved.serviceAccount?.audience
    }

    private func object<Object: KubeObject>(
        _ found: Decoded<Object>?, _ reference: ProviderRef, usedBy user: KeyProvider? = nil
    ) throws(ProviderError) -> Object {
        switch found {
        case .object(let object): return object
        case .malformed(_, _, let problem):
            throw ProviderError(
                reason: .providerNotReady, message: "\(reference) is malformed: \(problem); correct it")
        case nil:
            let user = user.map { ", which KeyProvider \($0.metadata.ref) refers to," } ?? ""
            throw ProviderError(
                reason: .providerNotFound,
                message: "\(reference)\(user) does not exist; create it, or change the "
                    + (user.isEmpty ? "spec.keyRef" : "KeyProvider"))
        }
    }

    private func checkNamespace(
        _ namespace: String, _ provider: ClusterKeyProvider, _ reference: ProviderRef
    ) throws(ProviderError) {
        let selected = provider.spec.namespaces
        if selected?.names?.contains(where: { $0.utf8.elementsEqual(namespace.utf8) }) == true { return }
        if let required = selected?.matchLabels, !required.isEmpty {
            guard let labels = catalog.labels(ofNamespace: namespace) else {
                throw ProviderError(
                    reason: .providerNotReady,
                    message:
                        "the labels of namespace \(namespace), which \(reference) selects by, are not known; allow "
                        + "the controller to list and watch namespaces (manifests/base/rbac.yaml)")
            }
            if required.allSatisfy({ labels[$0.key] == $0.value }) { return }
        }
        throw ProviderError(
            reason: .providerNotAllowed,
            message: "\(reference) does not allow namespace \(namespace); an administrator has to add it to "
                + "spec.namespaces")
    }

    private func settings(
        _ cluster: ClusterKeyProvider, _ reference: ProviderRef, _ keyProvider: KeyProvider?
    ) throws(ProviderError) -> KeyProviderSettings {
        guard var settings = cluster.spec.backends.first, cluster.spec.backends.count == 1,
            let fields = ProviderBackendFields.of(settings.backend)
        else {
            throw ProviderError(
                reason: .providerNotReady,
                message: "\(reference) needs the settings of exactly one backend: "
                    + ProviderBackendFields.all.map(\.section).joined(separator: ", "))
        }
        guard let keyProvider else { return settings }
        let spec = keyProvider.spec
        let allowed = cluster.spec.keyProviders
        let overrides = [
            ("key", spec.key, fields.key, allowed?.keys),
            ("mount", spec.mount, fields.mount, allowed?.mounts),
            ("role", spec.role, fields.role, allowed?.roles),
        ]
        for (name, value, field, patterns) in overrides {
            guard let value else { continue }
            guard let field else {
                throw ProviderError(
                    reason: .providerNotReady,
                    message: "KeyProvider \(keyProvider.metadata.ref) has spec.\(name), which the backend "
                        + "\(settings.backend) does not have; remove it")
            }
            let namespace = keyProvider.metadata.namespace ?? ""
            guard patterns?.contains(where: { Self.matches(value, $0, namespace) }) == true else {
                throw ProviderError(
                    reason: .providerNotAllowed,
                    message:
                        "\(reference) does not allow spec.\(name) of KeyProvider \(keyProvider.metadata.ref); an "
                        + "administrator has to add it to spec.keyProviders.\(name)s")
            }
            settings.values[field] = value
        }
        return settings
    }

    /// Compares bytes: Swift treats canonically equivalent strings as equal.
    private static func matches(_ value: String, _ pattern: String, _ namespace: String) -> Bool {
        guard !isAmbiguous(pattern) else { return false }
        let pattern = pattern.replacing("{namespace}", with: namespace)
        guard pattern.utf8.last == UInt8(ascii: "*") else { return value.utf8.elementsEqual(pattern.utf8) }
        return value.utf8.starts(with: pattern.utf8.dropLast())
    }

    /// Returns true for a pattern with which a namespace can match what belongs to another one: with `{namespace}-*`, the
    /// namespace team matches team-b-key. Before a wildcard, a character that no namespace has must follow `{namespace}`.
    private static func isAmbiguous(_ pattern: String) -> Bool {
        guard pattern.utf8.last == UInt8(ascii: "*") else { return false }
        return pattern.ranges(of: "{namespace}").contains { range in
            guard let next = pattern[range.upperBound...].utf8.first else { return true }
            switch next {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): return true
            default: return "-*{".utf8.contains(next)
            }
        }
    }

    private func serviceAccount(
        _ cluster: ClusterKeyProvider, _ reference: ProviderRef, _ keyProvider: KeyProvider?,
        _ namespace: String
    ) throws(ProviderError) -> ResolvedProvider.ServiceAccount? {
        guard let name = keyProvider?.spec.serviceAccountName ?? cluster.spec.identity?.serviceAccountName
        else { return nil }
        guard let audience = cluster.spec.identity?.audience, !audience.isEmpty else {
            throw ProviderError(
                reason: .providerNotReady,
                message:
                    "\(reference) has no spec.identity.audience, which the tokens of KeyProviders need; let an "
                    + "administrator set it to the audience that the KMS expects")
        }
        guard !Self.isAPIServerAudience(audience), !deniedAudiences.contains(audience) else {
            throw ProviderError(
                reason: .providerNotReady,
                message:
                    "\(reference) has the API server's audience in spec.identity.audience; a KMS could use such "
                    + "tokens in the cluster; set another, for example vault")
        }
        return .init(ref: ObjectRef(namespace: namespace, name: name), audience: audience)
    }

    /// Returns true for the names of the API server in a cluster.
    private static func isAPIServerAudience(_ audience: String) -> Bool {
        let text = audience.lowercased()
        let rest = text.firstRange(of: "://").map { text[$0.upperBound...] } ?? text[...]
        var host = rest.prefix { !"/:?#".contains($0) }
        if host.last == "." { host.removeLast() }
        return ["kubernetes", "kubernetes.default"].contains(String(host))
            || host.hasPrefix("kubernetes.default.svc")
    }
}

/// The fields of one backend in a ClusterKeyProvider.
package struct ProviderBackendFields: Sendable {
    /// The field of `spec` that has the settings: `vaultTransit`.
    package let section: String
    /// The backend, as key ids name it.
    package let backend: String
    // The fields that a KeyProvider can set, or nil if the backend has none.
    let key: String
    let mount: String?
    let role: String

    package static let all = [
        ProviderBackendFields(
            section: "vaultTransit", backend: "vault-transit", key: "key", mount: "mount", role: "role"),
        ProviderBackendFields(
            section: "awsKMS", backend: "aws-kms", key: "keyID", mount: nil, role: "roleARN"),
        ProviderBackendFields(
            section: "gcpKMS", backend: "gcp-kms", key: "key", mount: nil, role: "serviceAccount"),
        ProviderBackendFields(
            section: "azureKeyVault", backend: "azure-key-vault", key: "key", mount: nil, role: "clientID"),
    ]

    static func of(_ backend: String) -> ProviderBackendFields? { all.first { $0.backend == backend } }
}
