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
    /// Its data is what we wrote, and what the object says; only metadata has to follow. Needs no key.
    case relabel(Blueprint, current: ObjectMeta)
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
    ///   - isOpened: whether this very envelope has been opened before, under whatever template.
    ///   - scopes: those the operator allows.
    static func decide(
        _ object: WrappedSecret, secret: ObjectMeta?, status: WrappedSecretStatus?,
        scopes: Set<Scope> = Plan.defaultScopes, isOpened: Bool = false
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
        guard let made = status?.secret, isMade(made, of: object, as: secret) else {
            return .update(blueprint, current: secret)
        }
        let isReady =
            made.generation == object.metadata.generation && status?.condition(.ready)?.status == "True"
        // What the last write left, owner and all.
        if isReady, made.resourceVersion == secret.resourceVersion, isOwner(object, of: secret) {
            return .nothing
        }
        // The same generation has the same envelope; another one may have other recipients, which must be tried.
        guard isOpened || made.generation == object.metadata.generation,
            DataOwnership.isOurs(
                secret, entries: object.spec.envelope.data.keys, since: status?.lastSyncTime)
        else { return .update(blueprint, current: secret) }
        if isReady, MetadataChanges(secret, to: blueprint, of: object).isEmpty { return .nothing }
        return .relabel(blueprint, current: secret)
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

    /// The last successful write made this Secret, under this name and these rules, of these values.
    private static func isMade(
        _ made: WrappedSecretStatus.SecretState, of object: WrappedSecret, as secret: ObjectMeta
    ) -> Bool {
        made.mac == object.spec.envelope.mac && made.name == object.secretName && made.uid == secret.uid
            && made.renderVersion == renderVersion
    }

    private static func isOwner(_ object: WrappedSecret, of secret: ObjectMeta) -> Bool {
        guard let owner = Markers.owner(of: secret) else { return false }
        return owner.uid == object.metadata.uid && owner.controller == true
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
