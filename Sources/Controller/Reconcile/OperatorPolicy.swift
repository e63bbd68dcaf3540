package import Envelope
import Resources

/// What the operator of the controller allows and adds, for every WrappedSecret it serves.
package struct OperatorPolicy: Sendable {
    /// `cluster` is left out: whoever can copy such a ciphertext into a namespace can read it there.
    package static let defaultScopes: Set<Scope> = [.strict, .namespace]

    package var scopes: Set<Scope>
    /// Prefixes of the labels and annotations that no template may set.
    package var deniedMetadata: [String]
    /// Secret types that are allowed although `DefaultDenials` has them.
    package var allowedTypes: Set<String>
    /// On every Secret that is made.
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

    /// nil: nothing in the blueprint is against the rules.
    func violation(of blueprint: DesiredSecret) -> (reason: Reason, message: String)? {
        let scope = blueprint.envelope.binding.scope
        guard scopes.contains(scope) else {
            return (
                .scopeNotAllowed,
                "scope \(scope.rawValue) is not among the scopes that the operator allows "
                    + "(--allowed-scopes); wrap the values again with another one"
            )
        }
        for (field, keys) in [("labels", blueprint.labels.keys), ("annotations", blueprint.annotations.keys)]
        {
            for key in keys.sorted() where deniedMetadata.contains(where: key.hasPrefix) {
                return (
                    .invalidSpec,
                    "spec.template.metadata.\(field): the operator does not allow \(key) "
                        + "(--deny-template-metadata); remove it"
                )
            }
        }
        return refusal(ofTypeIn: blueprint)
    }

    private func refusal(ofTypeIn blueprint: DesiredSecret) -> (reason: Reason, message: String)? {
        if DefaultDenyList.secretTypes.subtracting(allowedTypes).contains(blueprint.type) {
            return (
                .forbiddenType,
                "spec.template.type: the operator does not allow \(blueprint.type) (--allow-secret-types); "
                    + "choose another type"
            )
        }
        guard !allowedTypes.contains(HelmRelease.type),
            let property = HelmRelease.identifyingProperty(
                name: blueprint.name, type: blueprint.type, labels: blueprint.labels)
        else { return nil }
        return (
            .invalidSpec,
            "spec.template: \(property) makes the Secret a release of Helm, which the operator does not allow "
                + "(--allow-secret-types \(HelmRelease.type)); change it"
        )
    }
}
