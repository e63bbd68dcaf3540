package import Envelope
import Resources

/// The operator's limits and additions for every WrappedSecret.
package struct OperatorPolicy: Sendable {
    /// `cluster` is not among them: it lets anyone who can copy the ciphertext decrypt it in their own namespace.
    package static let defaultScopes: Set<Scope> = [.strict, .namespace]

    package var scopes: Set<Scope>
    /// Prefixes of the labels and annotations that no template may set.
    package var deniedMetadata: [String]
    /// Secret types that are allowed although `DefaultDenyList` has them.
    package var allowedTypes: Set<String>
    /// Labels that are added to every Secret.
    package var labels: [String: String]

    package init(
        scopes: Set<Scope> = OperatorPolicy.defaultScopes,
        deniedMetadata: [String] = DefaultDenyList.metadataPrefixes, allowedTypes: Set<String> = [],
        labels: [String: String] = [:]
    ) {
        self.scopes = scopes
        self.deniedMetadata = deniedMetadata
        self.allowedTypes = allowedTypes
        self.labels = labels
    }

    /// Returns the first violation of the policy, or nil if the Secret is allowed.
    func violation(of desired: DesiredSecret) -> Blocked? {
        let scope = desired.envelope.binding.scope
        guard scopes.contains(scope) else {
            return Blocked(
                .scopeNotAllowed,
                "spec.scope: the operator does not allow scope \(scope.rawValue) (--allowed-scopes); wrap the values again "
                    + "with an allowed scope")
        }
        for (field, keys) in [("labels", desired.labels.keys), ("annotations", desired.annotations.keys)] {
            for key in keys.sorted() where deniedMetadata.contains(where: key.hasPrefix) {
                return Blocked(
                    .invalidSpec,
                    "spec.template.metadata.\(field): the operator does not allow \(key) (--deny-template-metadata); "
                        + "remove it")
            }
        }
        return typeViolation(of: desired)
    }

    private func typeViolation(of desired: DesiredSecret) -> Blocked? {
        if DefaultDenyList.secretTypes.subtracting(allowedTypes).contains(desired.type) {
            return Blocked(
                .forbiddenType,
                "spec.template.type: the operator does not allow \(desired.type) (--allow-secret-types); choose another "
                    + "type")
        }
        // Helm finds its releases by name or label and never checks the type.
        guard !allowedTypes.contains(HelmRelease.type),
            let property = HelmRelease.identifyingProperty(
                name: desired.name, type: desired.type, labels: desired.labels)
        else { return nil }
        return Blocked(
            .invalidSpec,
            "spec.template: \(property) makes the Secret a release of Helm, which the operator does not allow "
                + "(--allow-secret-types \(HelmRelease.type)); change it")
    }
}
