import Cryptography
import Envelope
import KubeClient
import Resources
import TestSupport
import Testing

@testable import Controller

/// What is done about a WrappedSecret, for everything that can be found in a cluster.
@Suite struct SyncPlanTests {
    /// A situation: the object, the Secret that the watch shows, and what the status remembers.
    struct Situation: Sendable {
        var object = unsealedWrappedSecret()
        var secret: ObjectMeta? = ObjectMeta(
            name: "db", namespace: "payments", uid: "s1", resourceVersion: "50",
            labels: OwnershipMetadata.labels(),
            annotations: OwnershipMetadata.annotations(of: unsealedWrappedSecret()),
            ownerReferences: [
                OwnerReference(
                    apiVersion: wrappedSecretAPIVersion, kind: wrappedSecretKind, name: "db", uid: "u1",
                    controller: true)
            ])
        var status: WrappedSecretStatus?
        var rules = OperatorPolicy()
        var isOpened = false
        var proof: VerifiedData?

        /// This process has proved the data for a version of the Secret.
        mutating func prove(_ resourceVersion: String, values: [UInt8] = [1]) {
            guard let desired = try? DesiredSecret(object) else { return }
            proof = VerifiedData(
                uid: "s1", resourceVersion: resourceVersion, envelopeDigest: desired.envelope.digest,
                dataDigest: values
            )
        }

        /// The Secret that a WrappedSecret made which lets it outlive itself.
        mutating func orphan(by name: String = "db") {
            object.spec.creationPolicy = "Orphan"
            account()
            secret?.ownerReferences = nil
            secret?.annotations?[OwnershipMetadata.wrappedSecretAnnotation] = name
        }

        /// The Secret has lost every mark of ours.
        mutating func strip() {
            secret?.ownerReferences = nil
            secret?.labels = [:]
            secret?.annotations = [:]
        }

        /// The API server says who wrote what, and the Secret is complete.
        mutating func account() {
            status?.lastSyncTime = "T1"
            let entries = Set(object.spec.envelope.data.keys)
            secret?.managedFields = [
                ManagedFieldsEntry(
                    manager: KubeClient.fieldManager, time: "T1",
                    labels: Set(OwnershipMetadata.labels().keys),
                    annotations: Set(OwnershipMetadata.annotations(of: object).keys), data: entries)
            ]
            secret?.labels = OwnershipMetadata.labels()
            secret?.annotations = OwnershipMetadata.annotations(of: object)
        }

        /// Somebody else wrote the Secret, and this is what the API server says of its data.
        mutating func written(by manager: String, data: Set<String> = []) {
            account()
            secret?.resourceVersion = "51"
            secret?.managedFields?.append(ManagedFieldsEntry(manager: manager, time: "T2", data: data))
        }

        /// Entries in a Secret that somebody else makes, as the last write left it.
        mutating func merged(allowed: String? = "merge") {
            object.spec.creationPolicy = "Merge"
            status?.lastSyncTime = "T1"
            guard let merger = try? MergeIdentity("db") else { return }
            secret?.labels = [OwnershipMetadata.managedLabel: "true"]
            secret?.annotations = [merger.sourceAnnotation: "u1/3", merger.entriesAnnotation: "password"]
            secret?.annotations?[OwnershipMetadata.allowAnnotation] = allowed
            secret?.ownerReferences = nil
            secret?.managedFields = [
                ManagedFieldsEntry(manager: "helm", time: "T0", data: ["theirs"]),
                ManagedFieldsEntry(
                    manager: merger.fieldManager, time: "T1", labels: [OwnershipMetadata.managedLabel],
                    annotations: [merger.sourceAnnotation], data: ["password"]),
            ]
        }

        init() {
            var status = WrappedSecretStatus()
            status.secret = .init(
                name: "db", uid: "s1", resourceVersion: "50", generation: 3, mac: object.spec.envelope.mac,
                renderVersion: SyncPlan.renderVersion)
            status.conditions = [
                Condition(
                    .ready, true, observedGeneration: 3, lastTransitionTime: "", reason: "Synced",
                    message: "Secret db is up to date")
            ]
            status.observedGeneration = 3
            self.status = status
        }

        var plan: String {
            switch SyncPlan.decide(
                object, secret: secret, status: status, rules: rules, isOpened: isOpened, proof: proof)
            {
            case .inSync: "nothing"
            case .skipDeleting: "left"
            case .suspend: "suspend"
            case .create: "create"
            case .findMergeTarget: "seek"
            case .update(_, let current): "update \(current.resourceVersion ?? "")"
            case .updateMetadata(_, let current): "relabel \(current.resourceVersion ?? "")"
            case .compareData(_, let current, _): "verify \(current.resourceVersion ?? "")"
            case .verifyByWriting(_, let current): "verifyByWriting \(current.resourceVersion ?? "")"
            case .recordVerification(_, let current): "recordProof \(current.resourceVersion ?? "")"
            case .updateStatus(_, let current): "updateStatus \(current.resourceVersion ?? "")"
            case .verifyCacheIsCurrent: "confirm"
            case .block(let reason, _): reason.rawValue
            }
        }
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let plan: String
        let change: @Sendable (inout Situation) -> Void

        init(_ name: String, _ plan: String, _ change: @escaping @Sendable (inout Situation) -> Void) {
            testDescription = name
            self.plan = plan
            self.change = change
        }
    }

    private static func reference(
        _ kind: String, _ name: String, version: String = wrappedSecretAPIVersion, uid: String = "x",
        controller: Bool? = true
    ) -> OwnerReference {
        OwnerReference(apiVersion: version, kind: kind, name: name, uid: uid, controller: controller)
    }

    static let inSync = [
        Case("all is as the last write left it", "nothing") { _ in },
        Case("no status at all", "update 50") { $0.status = nil },
        Case("a status that made nothing yet", "update 50") { $0.status?.secret = nil },
        Case("made from an earlier generation", "update 50") { $0.status?.secret?.generation = 2 },
        Case("made from other values", "update 50") { $0.status?.secret?.mac = "x" },
        Case("made under another name", "update 50") { $0.status?.secret?.name = "old" },
        Case("made as another Secret of the name", "update 50") { $0.status?.secret?.uid = "s0" },
        Case("somebody wrote it since", "update 50") { $0.status?.secret?.resourceVersion = "49" },
        Case("made by other rules", "update 50") { $0.status?.secret?.renderVersion = 0 },
        Case("a status that still tells of a failure", "updateStatus 50") {
            $0.status?.conditions?[0].status = "False"
        },
        Case("owned by the object's predecessor", "relabel 50") {
            $0.secret?.ownerReferences = [reference(wrappedSecretKind, "db", uid: "u0")]
        },
        Case("an owner that controls no more", "relabel 50") {
            $0.secret?.ownerReferences = [reference(wrappedSecretKind, "db", uid: "u1", controller: nil)]
        },
    ]

    /// Where the resourceVersion says nothing, the account of fields does.
    static let account = [
        Case("somebody labelled it", "verifyByWriting 51") { $0.written(by: "kubectl-label") },
        Case("every Secret was rewritten in place", "verifyByWriting 99") {
            $0.account()
            $0.secret?.resourceVersion = "99"
        },
        Case("somebody changed a value", "update 51") {
            $0.written(by: "kubectl-patch", data: ["password"])
            $0.secret?.managedFields?[0] = ManagedFieldsEntry(manager: KubeClient.fieldManager, time: "T1")
        },
        Case("somebody added an entry", "update 51") { $0.written(by: "kubectl-patch", data: ["other"]) },
        Case("somebody set an entry to the value it had", "update 51") {
            $0.written(by: "kubectl-apply", data: ["password"])
        },
        Case("somebody wrote under our name", "update 51") {
            $0.account()
            let ours = $0.secret?.managedFields?[0]
            $0.secret?.resourceVersion = "51"
            $0.secret?.managedFields = [
                ManagedFieldsEntry(manager: KubeClient.fieldManager, time: "T2", data: ours?.data ?? [])
            ]
        },
        Case("an entry is not accounted for", "update 51") {
            $0.written(by: "kubectl-patch")
            $0.object.spec.envelope.data["more"] = $0.object.spec.envelope.data.first?.value
        },
        Case("somebody made it immutable", "update 51") {
            $0.written(by: "kubectl-patch")
            $0.secret?.managedFields?[1] = ManagedFieldsEntry(manager: "kubectl-patch", isOfImmutable: true)
        },
        Case("nobody keeps account", "update 51") {
            $0.written(by: "x")
            $0.secret?.managedFields = nil
        },
        Case("a status without the time of the write", "update 51") {
            $0.written(by: "kubectl-label")
            $0.status?.lastSyncTime = nil
        },
        Case("a label of ours is gone, the data is not", "verifyByWriting 51") {
            $0.written(by: "kubectl-label")
            $0.secret?.labels?[OwnershipMetadata.managedByLabel] = nil
        },
        Case("an owner reference is gone, the data is not", "verifyByWriting 51") {
            $0.written(by: "kubectl-patch")
            $0.secret?.ownerReferences = []
        },
        Case("an owner that controls no more, the data is there", "verifyByWriting 51") {
            $0.written(by: "kubectl-patch")
            $0.secret?.ownerReferences = [reference(wrappedSecretKind, "db", uid: "u1", controller: nil)]
        },
        Case("a failure is over, and the data was never touched", "updateStatus 50") {
            $0.account()
            $0.status?.conditions?[0].status = "False"
        },
        Case("another template, of an envelope that was opened", "relabel 50") {
            $0.account()
            $0.object.metadata.generation = 4
            $0.isOpened = true
        },
        Case("another generation of an envelope that nobody opened", "update 50") {
            $0.account()
            $0.object.metadata.generation = 4
        },
        Case("another template, and a value that somebody changed", "update 51") {
            $0.written(by: "kubectl-patch", data: ["password"])
            $0.object.metadata.generation = 4
            $0.isOpened = true
        },
        Case("other rules", "update 50") {
            $0.account()
            $0.status?.secret?.renderVersion = 0
        },
    ]

    /// What this process remembers of the data it wrote, and what others do to the Secret and the status meanwhile.
    static let proofs = [
        Case("proved for this version", "nothing") { $0.prove("50") },
        Case("proved for an earlier version", "verify 51") {
            $0.written(by: "kubectl-label")
            $0.prove("50")
        },
        Case("proved for an earlier version, and the fields look untouched", "verify 99") {
            $0.account()
            $0.secret?.resourceVersion = "99"
            $0.prove("50")
        },
        Case("proved for a version that the status does not know", "recordProof 51") {
            $0.written(by: "kubectl-label")
            $0.prove("51")
        },
        Case("proved for another envelope", "verifyByWriting 51") {
            $0.prove("51")
            $0.written(by: "kubectl-label")
            $0.proof = $0.proof.map {
                VerifiedData(
                    uid: $0.uid, resourceVersion: "51", envelopeDigest: [0], dataDigest: $0.dataDigest)
            }
        },
        Case("proved for another Secret of the name", "verifyByWriting 51") {
            $0.prove("51")
            $0.written(by: "kubectl-label")
            $0.proof = $0.proof.map {
                VerifiedData(
                    uid: "s0", resourceVersion: "51", envelopeDigest: $0.envelopeDigest,
                    dataDigest: $0.dataDigest)
            }
        },
        Case("an adopted Secret whose fields are an earlier manager's", "verifyByWriting 51") {
            $0.account()
            $0.secret?.resourceVersion = "51"
            $0.secret?.managedFields = [
                ManagedFieldsEntry(manager: "kubectl-create", time: "T0", data: ["password"]),
                ManagedFieldsEntry(
                    manager: KubeClient.fieldManager, time: "T1", labels: [OwnershipMetadata.managedLabel]),
            ]
        },
        Case("a status with another message", "updateStatus 50") {
            $0.status?.conditions?[0].message = "all is well"
        },
        Case("a status with a condition of another writer", "updateStatus 50") {
            $0.status?.conditions?.append(
                Condition(
                    .stalled, true, observedGeneration: 3, lastTransitionTime: "", reason: "X", message: "x"))
        },
        Case("a status of another generation", "updateStatus 50") { $0.status?.observedGeneration = 2 },
        Case("every mark is gone, and this process wrote the Secret", "verify 51") {
            $0.prove("50")
            $0.strip()
            $0.secret?.resourceVersion = "51"
        },
        Case("every mark is gone, and the API server remembers us", "update 51") {
            $0.written(by: "kubectl-replace", data: ["password"])
            $0.strip()
            $0.secret?.managedFields?[0] = ManagedFieldsEntry(manager: KubeClient.fieldManager, time: "T1")
        },
        Case("every mark is gone, and only the status names the Secret", "SecretConflict") { $0.strip() },
        Case("the owner reference is gone, of an object with a new uid", "update 50") {
            $0.secret?.ownerReferences = nil
            $0.secret?.uid = "s9"
            $0.status = nil
        },
    ]

    /// `creationPolicy: Merge`.
    static let merges = [
        Case("a status that claims an entry which the Secret does not call ours", "SecretConflict") {
            $0.merged()
            guard let merger = try? MergeIdentity("db") else { return }
            $0.secret?.annotations?[merger.entriesAnnotation] = "other"
            $0.secret?.managedFields?[0] = ManagedFieldsEntry(manager: "helm", time: "T0", data: ["password"])
            $0.secret?.managedFields?[1] = ManagedFieldsEntry(
                manager: merger.fieldManager, time: "T1", labels: [OwnershipMetadata.managedLabel])
        },
        Case("a restore gave both objects new uids", "update 50") {
            $0.merged()
            $0.status = nil
            $0.secret?.managedFields = [ManagedFieldsEntry(manager: "velero", data: ["password", "theirs"])]
        },
        Case("entries as the last write left them", "nothing") { $0.merged() },
        Case("no Secret to add to, or none that is marked", "seek") {
            $0.merged()
            $0.secret = nil
        },
        Case("a Secret to add to that is being deleted", "SecretConflict") {
            $0.merged()
            $0.secret?.deletionTimestamp = "2026"
        },
        Case("a Secret that does not allow it", "SecretConflict") { $0.merged(allowed: nil) },
        Case("a Secret that allows something else", "SecretConflict") { $0.merged(allowed: "adopt") },
        Case("a Secret that another WrappedSecret makes", "OwnedByAnother") {
            $0.merged()
            $0.secret?.ownerReferences = [reference(wrappedSecretKind, "other")]
        },
        Case("a Secret that this one made", "OwnedByAnother") {
            $0.merged()
            $0.secret?.ownerReferences = [reference(wrappedSecretKind, "db", uid: "u1")]
        },
        Case("a Secret that another one lets live on", "OwnedByAnother") {
            $0.merged()
            $0.secret?.annotations?[OwnershipMetadata.creationPolicyAnnotation] = "Orphan"
            $0.secret?.annotations?[OwnershipMetadata.wrappedSecretAnnotation] = "other"
        },
        Case("a Secret of another controller that allows it", "nothing") {
            $0.merged()
            $0.secret?.ownerReferences = [reference("Certificate", "db", version: "cert-manager.io/v1")]
        },
        Case("its owner changed an entry that is not ours", "verifyByWriting 51") {
            $0.merged()
            $0.secret?.resourceVersion = "51"
            $0.secret?.managedFields?[0] = ManagedFieldsEntry(
                manager: "helm", time: "T2", data: ["theirs", "more"])
        },
        Case("its owner made it immutable", "verifyByWriting 51") {
            $0.merged()
            $0.secret?.resourceVersion = "51"
            $0.secret?.managedFields?[0] = ManagedFieldsEntry(
                manager: "helm", time: "T2", isOfImmutable: true)
        },
        Case("somebody changed an entry of ours", "update 51") {
            $0.merged()
            $0.secret?.resourceVersion = "51"
            $0.secret?.managedFields?[1] = ManagedFieldsEntry(
                manager: "kubectl", time: "T2", data: ["password"])
        },
        Case("somebody set an entry of ours to the value it had", "update 51") {
            $0.merged()
            $0.secret?.resourceVersion = "51"
            $0.secret?.managedFields?.append(ManagedFieldsEntry(manager: "x", time: "T2", data: ["password"]))
        },
        Case("somebody has an entry that we are to add", "SecretConflict") {
            $0.merged()
            $0.status = nil
            $0.secret?.annotations = [OwnershipMetadata.allowAnnotation: "merge"]
            $0.secret?.managedFields = [ManagedFieldsEntry(manager: "helm", data: ["password", "theirs"])]
        },
        Case("another WrappedSecret has it", "OwnedByAnother") {
            $0.merged()
            $0.status = nil
            $0.secret?.annotations = [OwnershipMetadata.allowAnnotation: "merge"]
            $0.secret?.managedFields = [ManagedFieldsEntry(manager: "secrets-bridge-0", data: ["password"])]
        },
        Case("somebody has overwritten an entry, and there are other values for it now", "update 50") {
            $0.merged()
            $0.status?.secret?.mac = "x"
            $0.secret?.managedFields?[1] = ManagedFieldsEntry(manager: "kubectl", data: ["password"])
            guard let merger = try? MergeIdentity("db") else { return }
            $0.secret?.managedFields?.append(
                ManagedFieldsEntry(
                    manager: merger.fieldManager, time: "T1", labels: [OwnershipMetadata.managedLabel]))
        },
        Case("somebody has an entry as well as we, and there are other values for it now", "update 50") {
            $0.merged()
            $0.status?.secret?.mac = "x"
            $0.secret?.managedFields?.append(ManagedFieldsEntry(manager: "kubectl", data: ["password"]))
        },
        Case("our label is gone: it comes back with the values", "verifyByWriting 51") {
            $0.merged()
            $0.secret?.resourceVersion = "51"
            $0.secret?.labels = nil
        },
        Case("another template", "update 50") {
            $0.merged()
            $0.object.metadata.generation = 4
            $0.isOpened = true
        },
        Case("from a later generation", "confirm") {
            $0.merged()
            $0.object.metadata.generation = 2
        },
        Case("a type of its own", "InvalidSpec") {
            $0.merged()
            $0.object.spec.template = .init(type: "Opaque")
        },
    ]

    static let objects = [
        Case("being deleted, in sync", "left") { $0.object.metadata.deletionTimestamp = "2026" },
        Case("being deleted in the foreground, the Secret gone", "left") {
            $0.object.metadata.deletionTimestamp = "2026"
            $0.secret = nil
        },
        Case("suspended", "suspend") { $0.object.spec.suspend = true },
        Case("suspended, with no Secret", "suspend") {
            $0.object.spec.suspend = true
            $0.secret = nil
        },
        Case("suspended and malformed", "suspend") {
            $0.object.spec.suspend = true
            $0.object.spec.envelope.format = "v9"
        },
        Case("deleted and suspended", "left") {
            $0.object.spec.suspend = true
            $0.object.metadata.deletionTimestamp = "2026"
        },
        Case("not suspended", "nothing") { $0.object.spec.suspend = false },
        Case("a newer format", "UnsupportedFormat") { $0.object.spec.envelope.format = "v2" },
        Case("a newer format with fields of its own", "UnsupportedFormat") {
            $0.object.spec.envelope.format = "v2"
            $0.object.spec.creationPolicy = "Orphan"
        },
        Case("no recipients", "InvalidSpec") { $0.object.spec.envelope.recipients = [] },
        Case("a MAC that is none", "InvalidSpec") { $0.object.spec.envelope.mac = "AA==" },
        Case("an entry with a slash", "InvalidSpec") { $0.object.spec.envelope.data["a/b"] = "" },
        Case("a type that carries cluster credentials", "ForbiddenType") {
            $0.object.spec.template = .init(type: "kubernetes.io/service-account-token")
        },
        Case("a label of ours in the template", "InvalidSpec") {
            $0.object.spec.template = .init(metadata: .init(labels: ["secrets-bridge.io/managed": "true"]))
        },
        Case("values of more than a mebibyte", "TooLarge") {
            $0.object.spec.envelope.data["big"] = Base64.encode([UInt8](repeating: 0, count: 1_048_600))
        },
        Case("a label that the operator denies", "InvalidSpec") {
            $0.object.spec.template = .init(
                metadata: .init(annotations: ["replicator.v1.mittwald.de/replicate-to": "x"]))
        },
        Case("an annotation of HNC", "InvalidSpec") {
            $0.object.spec.template = .init(
                metadata: .init(annotations: ["propagate.hnc.x-k8s.io/treeSelect": "team"]))
        },
        Case("a label of a propagator", "InvalidSpec") {
            $0.object.spec.template = .init(metadata: .init(labels: ["synator/sync": "yes"]))
        },
        Case("a release of Helm, by its type", "ForbiddenType") {
            $0.object.spec.template = .init(type: "helm.sh/release.v1")
        },
        Case("a release of Helm, by its name alone", "InvalidSpec") {
            $0.object.spec.envelope.scope = "namespace"
            $0.object.spec.template = .init(metadata: .init(name: "sh.helm.release.v1.api.v2"))
        },
        Case("a release of Helm, by its label alone", "InvalidSpec") {
            $0.object.spec.template = .init(metadata: .init(labels: ["owner": "helm", "name": "api"]))
        },
        Case("a release of Helm that the operator allows", "update 50") {
            $0.rules.allowedTypes = ["helm.sh/release.v1"]
            $0.object.spec.template = .init(
                metadata: .init(labels: ["owner": "helm"]), type: "helm.sh/release.v1")
            $0.status = nil
        },
        Case("a token, whatever the operator allows", "ForbiddenType") {
            $0.rules.allowedTypes = ["kubernetes.io/service-account-token"]
            $0.object.spec.template = .init(type: "kubernetes.io/service-account-token")
        },
        Case("a label that the operator adds, and the Secret has not", "relabel 50") {
            $0.account()
            $0.rules.labels = ["env": "prod"]
        },
        Case("a sync that is asked for", "update 50") {
            $0.account()
            $0.object.metadata.annotations = [OwnershipMetadata.syncAnnotation: "now"]
        },
        Case("a sync that was answered", "nothing") {
            $0.account()
            $0.object.metadata.annotations = [OwnershipMetadata.syncAnnotation: "now"]
            $0.status?.lastHandledSync = "now"
        },
        Case("a sync that is not asked for any more", "nothing") {
            $0.account()
            $0.status?.lastHandledSync = "now"
        },
        Case("a scope that is not allowed", "ScopeNotAllowed") { $0.object.spec.envelope.scope = "cluster" },
        Case("a scope that is", "update 50") {
            $0.object.spec.envelope.scope = "cluster"
            $0.rules.scopes = [.cluster]
            $0.status = nil
        },
    ]

    static let secrets = [
        Case("no Secret", "create") { $0.secret = nil },
        Case("a Secret that is being deleted", "SecretConflict") { $0.secret?.deletionTimestamp = "2026" },
        Case("a foreign Secret", "SecretConflict") { $0.strip() },
        Case("a foreign Secret with other owners", "SecretConflict") {
            $0.strip()
            $0.secret?.ownerReferences = [reference("Widget", "w", version: "v1", controller: nil)]
        },
        Case("a foreign Secret that is handed over", "update 50") {
            $0.strip()
            $0.status = nil
            $0.secret?.annotations?[OwnershipMetadata.allowAnnotation] = "adopt"
        },
        Case("a foreign Secret with another word", "SecretConflict") {
            $0.strip()
            $0.secret?.annotations?[OwnershipMetadata.allowAnnotation] = "merge"
        },
        Case("another WrappedSecret's", "OwnedByAnother") {
            $0.secret?.ownerReferences = [reference(wrappedSecretKind, "other")]
        },
        Case("another WrappedSecret's, handed over", "OwnedByAnother") {
            $0.secret?.ownerReferences = [reference(wrappedSecretKind, "other")]
            $0.secret?.annotations?[OwnershipMetadata.allowAnnotation] = "adopt"
        },
        Case("another controller's", "OwnedByAnother") {
            $0.secret?.ownerReferences = [reference("Certificate", "db", version: "cert-manager.io/v1")]
        },
        Case("another controller's, handed over", "OwnedByAnother") {
            $0.secret?.ownerReferences = [reference("Certificate", "db", version: "cert-manager.io/v1")]
            $0.secret?.annotations?[OwnershipMetadata.allowAnnotation] = "adopt"
        },
        Case("another controller's, owned by us as well", "OwnedByAnother") {
            $0.secret?.ownerReferences = [
                reference(wrappedSecretKind, "db", uid: "u1", controller: nil),
                reference("Job", "j", version: "batch/v1"),
            ]
        },
        Case("a kind of our name in another group", "OwnedByAnother") {
            $0.secret?.ownerReferences = [
                reference(wrappedSecretKind, "db", version: "secrets-bridge.io.example/v1alpha1")
            ]
        },
        Case("ours, of another version of the API", "relabel 50") {
            $0.secret?.ownerReferences = [reference(wrappedSecretKind, "db", version: "secrets-bridge.io/v2")]
        },
        Case("an orphan, as it was made", "nothing") { $0.orphan() },
        Case("an orphan of a predecessor", "update 50") {
            $0.orphan()
            $0.status = nil
            $0.secret?.annotations?[OwnershipMetadata.sourceAnnotation] = "u0/7"
        },
        Case("an orphan that is to be owned from now on", "relabel 50") {
            $0.orphan()
            $0.object.spec.creationPolicy = "Owner"
        },
        Case("an owned Secret that is to be an orphan", "relabel 50") {
            $0.account()
            $0.object.spec.creationPolicy = "Orphan"
        },
        Case("an orphan of another", "OwnedByAnother") { $0.orphan(by: "other") },
        Case("an orphan of another, handed over", "OwnedByAnother") {
            $0.orphan(by: "other")
            $0.secret?.annotations?[OwnershipMetadata.allowAnnotation] = "adopt"
        },
        Case("an orphan that somebody owns", "OwnedByAnother") {
            $0.orphan()
            $0.secret?.ownerReferences = [reference("Certificate", "db", version: "cert-manager.io/v1")]
        },
        Case("from a later generation", "confirm") {
            $0.secret?.annotations?[OwnershipMetadata.sourceAnnotation] = "u1/4"
        },
        Case("from a later generation of another uid", "relabel 50") {
            $0.secret?.annotations?[OwnershipMetadata.sourceAnnotation] = "u0/4"
        },
        Case("from nobody knows where", "relabel 50") {
            $0.secret?.annotations?[OwnershipMetadata.sourceAnnotation] = "u1"
        },
    ]

    @Test(arguments: inSync + account + proofs + merges + objects + secrets) func decides(row: Case) {
        var situation = Situation()
        row.change(&situation)
        #expect(situation.plan == row.plan)
    }

    @Test func tellsHowToHandASecretOver() {
        var situation = Situation()
        situation.strip()
        let plan = SyncPlan.decide(situation.object, secret: situation.secret, status: nil)
        guard case .block(_, let message) = plan else {
            Issue.record("\(plan)")
            return
        }
        #expect(message.contains("kubectl annotate secret -n payments db secrets-bridge.io/allow=adopt"))
    }
}
