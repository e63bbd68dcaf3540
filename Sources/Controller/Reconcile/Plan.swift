import Envelope
import KubeClient
import Resources

/// What to do about one WrappedSecret. Decided from what is known, without I/O and without a key.
enum Plan: Sendable {
    /// Everything is as it should be, or it is nobody's business any more.
    case nothing
    /// Only the status has to say so.
    case suspend
    /// There is no Secret of this name as far as the watch can see.
    case create(Blueprint)
    /// Ours, or handed over to us; to be made equal to the blueprint.
    case update(Blueprint, current: ObjectMeta)
    /// It was made from a later generation than the one known here. To be updated only if the server knows no
    /// later one either: else it is our cache that is behind.
    case confirm(Blueprint, current: ObjectMeta)
    case refuse(Reason, message: String)
}

extension Plan {
    /// Version of the rules that turn a blueprint into a Secret. A new version makes every Secret once more.
    static let renderVersion = 1

    /// `cluster` is left out: whoever can copy such a ciphertext into a namespace can read it there.
    static let defaultScopes: Set<Scope> = [.strict, .namespace]

    /// - Parameters:
    ///   - secret: metadata of the Secret of the blueprint's name; nil when there is none that the watch or
    ///     a read has shown.
    ///   - status: what the last write left, which may be newer than what `object` carries.
    ///   - scopes: those the operator allows.
    static func decide(
        _ object: WrappedSecret, secret: ObjectMeta?, status: WrappedSecretStatus?,
        scopes: Set<Scope> = Plan.defaultScopes
    ) -> Plan {
        // Under foreground deletion the collector takes the Secret first; making it again would undo that.
        guard object.metadata.deletionTimestamp == nil else { return .nothing }
        if object.spec.suspend == true { return .suspend }
        let blueprint: Blueprint
        do {
            blueprint = try Blueprint(object)
        } catch {
            return .refuse(error.reason, message: error.message)
        }
        let scope = blueprint.envelope.binding.scope
        guard scopes.contains(scope) else {
            return .refuse(
                .scopeNotAllowed,
                message: "scope \(scope.rawValue) is not among the scopes that the operator allows "
                    + "(--allowed-scopes); wrap the values again with another one")
        }
        if let refusal = unsupported(object.spec) { return refusal }
        guard let secret, secret.deletionTimestamp == nil else { return .create(blueprint) }
        if let refusal = ownership(of: secret, for: object) { return refusal }
        if isFromLaterGeneration(secret, of: object) { return .confirm(blueprint, current: secret) }
        if isInSync(object, secret: secret, status: status) { return .nothing }
        return .update(blueprint, current: secret)
    }

    /// What the schema has and this version does not do is refused, not half done.
    private static func unsupported(_ spec: WrappedSecretSpec) -> Plan? {
        func refusal(_ field: String) -> Plan {
            .refuse(.invalidSpec, message: "spec.\(field) is not supported by this version; remove it")
        }
        if let policy = spec.creationPolicy, policy != "Owner" { return refusal("creationPolicy \(policy)") }
        if spec.keyRef != nil { return refusal("keyRef") }
        if spec.recreate == true { return refusal("recreate") }
        return spec.rolloutRestart?.isEmpty == false ? refusal("rolloutRestart") : nil
    }

    /// The Secret is what the last successful write left of it, that write was of this generation, and the
    /// status says so: one that still tells of a failure is not to stand.
    private static func isInSync(
        _ object: WrappedSecret, secret: ObjectMeta, status: WrappedSecretStatus?
    ) -> Bool {
        guard let made = status?.secret, let owner = Markers.owner(of: secret) else { return false }
        return status?.condition(.ready)?.status == "True"
            && made.generation == object.metadata.generation
            && made.mac == object.spec.envelope.mac
            && made.name == object.secretName
            && made.uid == secret.uid
            && made.resourceVersion == secret.resourceVersion
            && made.renderVersion == renderVersion
            && owner.uid == object.metadata.uid
            && owner.controller == true
    }

    /// Nil when the Secret is ours to write. Ours is one that a WrappedSecret of this name owns, whatever
    /// its uid: a deleted and re-created object takes over what its predecessor made.
    private static func ownership(of secret: ObjectMeta, for object: WrappedSecret) -> Plan? {
        if let owner = Markers.owner(of: secret) {
            guard owner.name != object.metadata.name else { return nil }
            return .refuse(
                .ownedByAnother,
                message: "Secret \(secret.name) belongs to WrappedSecret \(owner.name); give one of the two "
                    + "another spec.template.metadata.name, or delete WrappedSecret \(owner.name)")
        }
        if let controller = Markers.controller(of: secret) {
            return .refuse(
                .ownedByAnother,
                message: "Secret \(secret.name) belongs to \(controller.kind) \(controller.name); choose "
                    + "another spec.template.metadata.name")
        }
        guard secret.annotations?[Markers.allow] != "adopt" else { return nil }
        return .refuse(
            .secretConflict,
            message: "Secret \(secret.name) exists and was not made from this WrappedSecret; delete it, or "
                + "hand it over: kubectl annotate secret -n \(secret.namespace ?? "") \(secret.name) "
                + "\(Markers.allow)=adopt")
    }

    private static func isFromLaterGeneration(_ secret: ObjectMeta, of object: WrappedSecret) -> Bool {
        guard let source = secret.annotations?[Markers.source],
            let slash = source.lastIndex(of: "/"),
            source[..<slash] == object.metadata.uid ?? "",
            let generation = Int64(source[source.index(after: slash)...])
        else { return false }
        return generation > object.metadata.generation ?? 0
    }
}
