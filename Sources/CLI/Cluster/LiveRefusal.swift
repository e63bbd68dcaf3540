import KubeClient
import Resources

/// Why a controller would not write a Secret of a cluster as a WrappedSecret of a file asks, by what the cluster shows.
enum LiveRefusals {
    /// - Parameters:
    ///   - asked: `spec.suspend` of the file.
    ///   - live: the object as the cluster has it.
    static func suspension(asked: Bool?, _ live: WrappedSecret?) -> String? {
        guard asked ?? live?.spec.suspend == true else { return nil }
        return "the WrappedSecret is suspended (spec.suspend); nothing changes until it is not"
    }

    /// - Parameters:
    ///   - name: of the WrappedSecret.
    ///   - entries: that it has.
    static func refusals(
        of secret: ObjectMeta, name: String, _ merger: MergeIdentity?, entries: Set<String>,
        _ live: WrappedSecret?
    ) -> [String] {
        guard let merger else {
            return ownership(of: secret, name: name, live).map { [$0] } ?? []
        }
        if let maker = OwnershipMetadata.owner(of: secret)?.name
            ?? OwnershipMetadata.wrappedSecretName(of: secret)
        {
            return ["Secret was made whole by WrappedSecret \(maker); creationPolicy Merge does not take it"]
        }
        guard secret.annotations?[OwnershipMetadata.allowAnnotation] == "merge" else {
            return [
                "Secret does not allow entries of others; it needs the annotation \(OwnershipMetadata.allowAnnotation): merge"
            ]
        }
        return conflicts(in: secret, merger, entries)
    }

    private static func ownership(of secret: ObjectMeta, name: String, _ live: WrappedSecret?) -> String? {
        if let owner = OwnershipMetadata.owner(of: secret) {
            return owner.name == name ? nil : "Secret belongs to WrappedSecret \(owner.name)"
        }
        if let controller = OwnershipMetadata.controller(of: secret) {
            return "Secret belongs to \(controller.kind) \(controller.name)"
        }
        if let maker = OwnershipMetadata.wrappedSecretName(of: secret) {
            return maker == name ? nil : "Secret was made by WrappedSecret \(maker)"
        }
        // What a controller wrote last may have lost its marks.
        if let made = live?.status?.secret, made.uid == secret.uid, OwnershipMetadata.managesFields(secret) {
            return nil
        }
        guard secret.annotations?[OwnershipMetadata.allowAnnotation] != OwnershipMetadata.adoptValue else {
            return nil
        }
        return
            "Secret was not made from this WrappedSecret; the controller does not take it without the annotation "
            + "\(OwnershipMetadata.allowAnnotation): \(OwnershipMetadata.adoptValue)"
    }

    /// Entries that other managers have, and that no earlier merge wrote.
    private static func conflicts(in secret: ObjectMeta, _ merger: MergeIdentity, _ wanted: Set<String>)
        -> [String]
    {
        let fields = secret.managedFields ?? []
        let ours = fields.filter { $0.manager == merger.fieldManager }.flatMap(\.data)
        let open = wanted.subtracting(ours).subtracting(merger.recordedEntries(in: secret) ?? [])
        return fields.filter { ![merger.fieldManager, KubeClient.fieldManager].contains($0.manager) }
            .flatMap { fields in
                open.intersection(fields.data).sorted().map {
                    "Secret has \($0) from \(fields.manager) already; creationPolicy Merge does not overwrite it"
                }
            }
    }
}
