package import Envelope
import Resources

/// What the operator of the controller allows and adds, for every WrappedSecret it serves.
package struct OperatorRules: Sendable {
    /// `cluster` is left out: whoever can copy such a ciphertext into a namespace can read it there.
    package static let defaultScopes: Set<Scope> = [.strict, .namespace]

    /// Replicators that copy what is annotated so into other namespaces: a template could send a Secret anywhere.
    package static let replicators = [
        "reflector.v1.k8s.emberstack.com/", "replicator.v1.mittwald.de/", "kubed.appscode.com/",
        "config-syncer.appscode.com/",
    ]

    package var scopes: Set<Scope>
    /// How keys of labels and annotations begin that no template may set.
    package var deniedMetadata: [String]
    /// On every Secret that is made.
    package var labels: [String: String]

    package init(
        scopes: Set<Scope> = OperatorRules.defaultScopes,
        deniedMetadata: [String] = OperatorRules.replicators, labels: [String: String] = [:]
    ) {
        self.scopes = scopes
        self.deniedMetadata = deniedMetadata
        self.labels = labels
    }

    /// nil: nothing in the blueprint is against the rules.
    func refusal(of blueprint: Blueprint) -> (reason: Reason, message: String)? {
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
        return nil
    }
}
