import Cryptography
import Envelope
import KubeClient
import Resources
import TestSupport

@testable import Controller

/// What users and other writers do, and what has to become of the Secret.
extension SyncModel {
    /// True if the object, by its creationPolicy, may write the Secret.
    var isWritable: Bool {
        guard secret?.deletionTimestamp == nil else { return false }
        switch origin {
        case .ours, .predecessor, .allowsAdoption: return !object.spec.isMerge
        case .allowsMerges: return object.spec.isMerge
        case .unowned, .otherWrappedSecret, .otherController, .orphanOfAnother: return false
        case .stripped: return true
        }
    }

    /// The end that the object has to reach, or nil if it may be in sync or blocked.
    var expectedEnd: End? {
        if object.metadata.deletionTimestamp != nil { return .skipped }
        if object.spec.suspend == true { return .suspended }
        guard secret != nil else { return object.spec.isMerge ? .blocked : .inSync }
        if origin == .stripped, secret?.deletionTimestamp == nil { return nil }
        return isWritable ? .inSync : .blocked
    }

    /// Replaces the Secret by one of a random origin.
    mutating func replaceSecret(_ random: inout SeededGenerator) {
        version += 1
        origin = Origin.allCases.randomElement(using: &random) ?? .ours
        var metadata = ObjectMeta(
            name: "db", namespace: "payments", uid: "s\(version)", resourceVersion: "\(version)")
        switch origin {
        case .ours:
            metadata.labels = OwnershipMetadata.labels
            metadata.annotations = OwnershipMetadata.annotations(of: object)
            metadata.ownerReferences = OwnershipMetadata.ownerReferences(to: object)
            // Etcd may have been restored to an older state.
            let source = "\(object.metadata.uid ?? "")/99"
            if random.chance(0.2) { metadata.annotations?[OwnershipMetadata.sourceAnnotation] = source }
        case .predecessor:
            metadata.ownerReferences = [
                reference(wrappedSecretKind, "db", wrappedSecretAPIVersion, uid: "u0")
            ]
        case .unowned, .stripped: origin = .unowned
        case .allowsAdoption: metadata.annotations = [OwnershipMetadata.allowAnnotation: "adopt"]
        case .allowsMerges: metadata.annotations = [OwnershipMetadata.allowAnnotation: "merge"]
        case .otherWrappedSecret:
            metadata.ownerReferences = [
                reference(wrappedSecretKind, "other", wrappedSecretAPIVersion, uid: "u9")
            ]
        case .otherController:
            metadata.ownerReferences = [reference("Certificate", "db", "cert-manager.io/v1", uid: "c1")]
        case .orphanOfAnother:
            metadata.annotations = [OwnershipMetadata.wrappedSecretAnnotation: "other"]
        }
        metadata.managedFields = [ManagedFieldsEntry(manager: "kubectl", time: now(), data: ["other"])]
        (secret, values) = (metadata, ["other": "foreign"])
    }

    private func reference(
        _ kind: String, _ name: String, _ apiVersion: String, uid: String
    ) -> OwnerReference {
        OwnerReference(apiVersion: apiVersion, kind: kind, name: name, uid: uid, controller: true)
    }

    mutating func change(_ random: inout SeededGenerator) {
        switch random.number(0..<18) {
        case 0, 1:
            let byte = UInt8(random.number(1..<5))
            changeSpec { $0.envelope.mac = Base64.encode([UInt8](repeating: byte, count: 32)) }
        case 2:
            let labels: [[String: String]?] = [nil, ["team": "a"], ["tier": "b"]]
            let chosen = labels.randomElement(using: &random) ?? nil
            changeSpec { $0.template = .init(metadata: .init(labels: chosen)) }
        case 3, 4:
            let policies: [String?] = [nil, "Owner", "Orphan", "Merge"]
            let chosen = policies.randomElement(using: &random) ?? nil
            changeSpec { $0.creationPolicy = chosen }
        case 5: changeSpec { $0.suspend = $0.suspend == true ? nil : true }
        case 6:
            version += 1
            object.metadata.annotations = [OwnershipMetadata.syncAnnotation: "\(version)"]
        case 7: recreateObject()
        case 8, 9: overwriteValue(hidesManager: random.chance(0.3))
        case 10:
            edit { secret, _ in
                secret.labels = (secret.labels ?? [:]).merging(["foreign": "x"]) { _, new in new }
            }
        case 11: edit { secret, _ in secret.labels = nil }
        case 12: strip()
        case 13: if random.chance(0.3) { terminate() } else { (secret, values) = (nil, [:]) }
        case 14: replaceSecret(&random)
        case 15:
            // The conditions may be gone already.
            guard object.status?.conditions?.isEmpty == false else { return }
            object.status?.conditions?[0].message = "changed by another writer"
        case 16: object.status?.conditions = random.chance(0.5) ? nil : []
        default: record = SyncRecord()
        }
        if random.chance(0.01) { object.metadata.deletionTimestamp = now() }
    }

    private mutating func changeSpec(_ body: (inout WrappedSecretSpec) -> Void) {
        body(&object.spec)
        object.metadata.generation = (object.metadata.generation ?? 0) + 1
    }

    private mutating func recreateObject() {
        version += 1
        object.metadata.uid = "u\(version)"
        object.metadata.generation = 1
        object.status = nil
        record = SyncRecord()
    }

    private mutating func edit(_ body: (inout ObjectMeta, inout [String: String]) -> Void) {
        guard var metadata = secret else { return }
        body(&metadata, &values)
        version += 1
        metadata.resourceVersion = "\(version)"
        secret = metadata
    }

    /// - Parameter hidesManager: True if the other writer leaves `managedFields` as they were.
    private mutating func overwriteValue(hidesManager: Bool) {
        // An entry that another manager had before the first merge is that manager's.
        let isMerged = secret?.annotations?.keys.contains { $0.hasPrefix("secrets-bridge.io/entries-") }
        let key = origin == .allowsMerges && isMerged != true ? "other" : "password"
        let time = now()
        edit { secret, values in
            values[key] = "written at \(time)"
            guard !hidesManager else { return }
            let others = (secret.managedFields ?? []).map { fields in
                ManagedFieldsEntry(
                    manager: fields.manager, time: fields.time, labels: fields.labels,
                    annotations: fields.annotations, data: fields.data.subtracting([key]))
            }
            secret.managedFields = others + [ManagedFieldsEntry(manager: "editor", time: time, data: [key])]
        }
    }

    /// Removes all labels, annotations and owner references.
    private mutating func strip() {
        guard secret != nil else { return }
        edit { secret, _ in (secret.labels, secret.annotations, secret.ownerReferences) = ([:], [:], nil) }
        switch origin {
        case .ours, .predecessor, .allowsMerges, .allowsAdoption, .stripped: origin = .stripped
        case .unowned, .otherWrappedSecret, .otherController, .orphanOfAnother: origin = .unowned
        }
    }

    private mutating func terminate() {
        let time = now()
        edit { secret, _ in secret.deletionTimestamp = time }
    }
}
