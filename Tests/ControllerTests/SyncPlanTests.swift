import Cryptography
import Envelope
import KubeClient
import Resources
import TestSupport
import Testing

@testable import Controller

/// The plan for a WrappedSecret in every state of the cluster.
@Suite struct SyncPlanTests {
    /// A change of an object in sync, and the plan that follows.
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let plan: String
        let change: @Sendable (inout SyncInput) -> Void

        init(_ name: String, _ plan: String, _ change: @escaping @Sendable (inout SyncInput) -> Void) {
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
        Case("in sync", "inSync 50") { _ in },
        Case("no status", "update 50") { $0.status = nil },
        Case("a status without a Secret", "update 50") { $0.status?.secret = nil },
        Case("the status of an earlier generation", "update 50") { $0.status?.secret?.generation = 2 },
        Case("the status of other values", "update 50") { $0.status?.secret?.mac = "x" },
        Case("the status of a Secret of another name", "update 50") { $0.status?.secret?.name = "old" },
        Case("the status of another Secret of the same name", "update 50") { $0.status?.secret?.uid = "s0" },
        Case("a later version than the status records", "update 50") {
            $0.status?.secret?.resourceVersion = "49"
        },
        Case("an earlier renderVersion", "update 50") { $0.status?.secret?.renderVersion = 0 },
        Case("a status that reports a past failure", "updateStatus 50") {
            $0.status?.conditions?[0].status = "False"
        },
        Case("an owner reference to the object's predecessor", "updateMetadata 50") {
            $0.current?.ownerReferences = [reference(wrappedSecretKind, "db", uid: "u0")]
        },
        Case("an owner reference that is no controller reference", "updateMetadata 50") {
            $0.current?.ownerReferences = [reference(wrappedSecretKind, "db", uid: "u1", controller: nil)]
        },
    ]

    /// Secrets of a later version than the status records.
    static let managedFields = [
        Case("another manager added a label", "verifyByWriting 51") { $0.write(by: "kubectl-label") },
        Case("every Secret was re-encrypted in etcd", "verifyByWriting 99") {
            $0.addManagedFields()
            $0.current?.resourceVersion = "99"
        },
        Case("another manager changed a value", "update 51") {
            $0.write(by: "kubectl-patch", data: ["password"])
            $0.current?.managedFields?[0] = ManagedFieldsEntry(manager: KubeClient.fieldManager, time: "T1")
        },
        Case("another manager added an entry", "update 51") {
            $0.write(by: "kubectl-patch", data: ["other"])
        },
        Case("another manager set an entry to the same value", "update 51") {
            $0.write(by: "kubectl-apply", data: ["password"])
        },
        Case("a later write under our field manager", "update 51") {
            $0.addManagedFields()
            let ours = $0.current?.managedFields?[0]
            $0.current?.resourceVersion = "51"
            $0.current?.managedFields = [
                ManagedFieldsEntry(manager: KubeClient.fieldManager, time: "T2", data: ours?.data ?? [])
            ]
        },
        Case("an entry without a manager", "update 51") {
            $0.write(by: "kubectl-patch")
            $0.object.spec.envelope.data["more"] = $0.object.spec.envelope.data.first?.value
        },
        Case("another manager made it immutable", "update 51") {
            $0.write(by: "kubectl-patch")
            $0.current?.managedFields?[1] = ManagedFieldsEntry(manager: "kubectl-patch", ownsImmutable: true)
        },
        Case("no managedFields", "update 51") {
            $0.write(by: "x")
            $0.current?.managedFields = nil
        },
        Case("a status without lastSyncTime", "update 51") {
            $0.write(by: "kubectl-label")
            $0.status?.lastSyncTime = nil
        },
        Case("our label was removed, and the data appears unchanged", "verifyByWriting 51") {
            $0.write(by: "kubectl-label")
            $0.current?.labels?[OwnershipMetadata.managedByLabel] = nil
        },
        Case("the owner reference was removed, perhaps by a deletion", "verifyCacheIsCurrent 51") {
            $0.write(by: "kubectl-patch")
            $0.current?.ownerReferences = []
        },
        Case("the owner reference was removed, and the data appears unchanged", "verifyByWriting 51") {
            $0.write(by: "kubectl-patch")
            $0.current?.ownerReferences = []
            $0.isCacheVerified = true
        },
        Case("an owner reference that is no controller reference, and a later version", "verifyByWriting 51")
        {
            $0.write(by: "kubectl-patch")
            $0.current?.ownerReferences = [reference(wrappedSecretKind, "db", uid: "u1", controller: nil)]
        },
        Case("a status that reports a past failure, and the data is unchanged", "updateStatus 50") {
            $0.addManagedFields()
            $0.status?.conditions?[0].status = "False"
        },
        Case("another template of an envelope that was unwrapped", "updateMetadata 50") {
            $0.addManagedFields()
            $0.object.metadata.generation = 4
            $0.isEnvelopeVerified = true
        },
        Case("another generation of an envelope that was not unwrapped", "update 50") {
            $0.addManagedFields()
            $0.object.metadata.generation = 4
        },
        Case("another template, and another manager changed a value", "update 51") {
            $0.write(by: "kubectl-patch", data: ["password"])
            $0.object.metadata.generation = 4
            $0.isEnvelopeVerified = true
        },
        Case("an earlier renderVersion, and the data is unchanged", "update 50") {
            $0.addManagedFields()
            $0.status?.secret?.renderVersion = 0
        },
    ]

    /// Secrets and statuses that others change while this process knows what it wrote.
    static let verifiedData = [
        Case("data verified for this version", "inSync 50") { $0.verify("50") },
        Case("data verified for an earlier version", "compareData 51") {
            $0.write(by: "kubectl-label")
            $0.verify("50")
        },
        Case("data verified for an earlier version, and found changed", "update 51") {
            $0.write(by: "kubectl-label")
            $0.verify("50")
            $0.comparison = .different
        },
        Case("data verified for an earlier version, and too large to compare", "verifyByWriting 51") {
            $0.write(by: "kubectl-label")
            $0.verify("50")
            $0.comparison = .tooLarge
        },
        Case("data verified for an earlier version, and managedFields unchanged", "compareData 99") {
            $0.addManagedFields()
            $0.current?.resourceVersion = "99"
            $0.verify("50")
        },
        Case("data verified for a later version than the status records", "recordVerification 51") {
            $0.write(by: "kubectl-label")
            $0.verify("51")
        },
        Case("data verified for another envelope", "verifyByWriting 51") {
            $0.verify("51", envelope: [0])
            $0.write(by: "kubectl-label")
        },
        Case("data verified for another Secret of the same name", "verifyByWriting 51") {
            $0.verify("51", uid: "s0")
            $0.write(by: "kubectl-label")
        },
        Case("an adopted Secret whose entries have an earlier manager", "verifyByWriting 51") {
            $0.addManagedFields()
            $0.current?.resourceVersion = "51"
            $0.current?.managedFields = [
                ManagedFieldsEntry(manager: "kubectl-create", time: "T0", data: ["password"]),
                ManagedFieldsEntry(
                    manager: KubeClient.fieldManager, time: "T1", labels: [OwnershipMetadata.managedLabel]),
            ]
        },
        Case("a status with another message", "updateStatus 50") {
            $0.status?.conditions?[0].message = "all is well"
        },
        Case("a status with another writer's condition", "updateStatus 50") {
            $0.status?.conditions?.append(
                Condition(
                    .stalled, true, observedGeneration: 3, lastTransitionTime: "", reason: "X", message: "x"))
        },
        Case("a status of another generation", "updateStatus 50") { $0.status?.observedGeneration = 2 },
        Case("our metadata was removed, and this process wrote the Secret", "compareData 51") {
            $0.verify("50")
            $0.strip()
            $0.current?.resourceVersion = "51"
        },
        Case("our metadata was removed, and managedFields list us", "update 51") {
            $0.write(by: "kubectl-replace", data: ["password"])
            $0.strip()
            $0.current?.managedFields?[0] = ManagedFieldsEntry(manager: KubeClient.fieldManager, time: "T1")
            $0.isCacheVerified = true
        },
        Case("a merge target whose WrappedSecret changed to Owner", "SecretConflict") {
            $0.merge()
            $0.object.spec.creationPolicy = "Owner"
            $0.verify("50", isWholeSecret: false)
        },
        Case("our metadata was removed, and only the status names the Secret", "SecretConflict") {
            $0.strip()
        },
        Case("a restored object and Secret without an owner reference", "update 50") {
            $0.current?.ownerReferences = nil
            $0.current?.uid = "s9"
            $0.status = nil
            $0.isCacheVerified = true
        },
    ]

    /// `creationPolicy: Merge`.
    static let merges = [
        Case("Merge: the status lists an entry that the Secret's annotation does not", "SecretConflict") {
            $0.merge()
            guard let identity = try? MergeIdentity("db") else { return }
            $0.current?.annotations?[identity.entriesAnnotation] = "other"
            $0.current?.managedFields?[0] = ManagedFieldsEntry(
                manager: "helm", time: "T0", data: ["password"])
            $0.current?.managedFields?[1] = ManagedFieldsEntry(
                manager: identity.fieldManager, time: "T1", labels: [OwnershipMetadata.managedLabel])
        },
        Case("Merge: a restore gave both objects new uids", "update 50") {
            $0.merge()
            $0.status = nil
            $0.current?.managedFields = [ManagedFieldsEntry(manager: "velero", data: ["password", "other"])]
        },
        Case("Merge: in sync", "inSync 50") { $0.merge() },
        Case("Merge: no Secret in the cache", "findMergeTarget") {
            $0.merge()
            $0.current = nil
        },
        Case("Merge: no Secret, and a read has confirmed that", "SecretMissing") {
            $0.merge()
            $0.current = nil
            $0.isCurrentRead = true
        },
        Case("Merge: a terminating Secret", "SecretConflict") {
            $0.merge()
            $0.current?.deletionTimestamp = "2026"
        },
        Case("Merge: a Secret that does not allow it", "SecretConflict") { $0.merge(allowed: nil) },
        Case("Merge: a Secret that allows adoption", "SecretConflict") { $0.merge(allowed: "adopt") },
        Case("Merge: a Secret that another WrappedSecret owns", "OwnedByAnother") {
            $0.merge()
            $0.current?.ownerReferences = [reference(wrappedSecretKind, "other")]
        },
        Case("Merge: a Secret that this WrappedSecret owns", "OwnedByAnother") {
            $0.merge()
            $0.current?.ownerReferences = [reference(wrappedSecretKind, "db", uid: "u1")]
        },
        Case("Merge: an orphan of another WrappedSecret", "OwnedByAnother") {
            $0.merge()
            $0.current?.annotations?[OwnershipMetadata.creationPolicyAnnotation] = "Orphan"
            $0.current?.annotations?[OwnershipMetadata.wrappedSecretAnnotation] = "other"
        },
        Case("Merge: a Secret of another controller that allows it", "inSync 50") {
            $0.merge()
            $0.current?.ownerReferences = [reference("Certificate", "db", version: "cert-manager.io/v1")]
        },
        Case("Merge: the owner changed an entry that is not ours", "verifyByWriting 51") {
            $0.merge()
            $0.current?.resourceVersion = "51"
            $0.current?.managedFields?[0] = ManagedFieldsEntry(
                manager: "helm", time: "T2", data: ["other", "more"])
        },
        Case("Merge: the owner made it immutable", "verifyByWriting 51") {
            $0.merge()
            $0.current?.resourceVersion = "51"
            $0.current?.managedFields?[0] = ManagedFieldsEntry(
                manager: "helm", time: "T2", ownsImmutable: true)
        },
        Case("Merge: another manager changed our entry", "update 51") {
            $0.merge()
            $0.current?.resourceVersion = "51"
            $0.current?.managedFields?[1] = ManagedFieldsEntry(
                manager: "kubectl", time: "T2", data: ["password"])
        },
        Case("Merge: another manager set our entry to the same value", "update 51") {
            $0.merge()
            $0.current?.resourceVersion = "51"
            $0.current?.managedFields?.append(
                ManagedFieldsEntry(manager: "x", time: "T2", data: ["password"]))
        },
        Case("Merge: another manager has an entry of the same name", "SecretConflict") {
            $0.merge()
            $0.status = nil
            $0.current?.annotations = [OwnershipMetadata.allowAnnotation: "merge"]
            $0.current?.managedFields = [ManagedFieldsEntry(manager: "helm", data: ["password", "other"])]
        },
        Case("Merge: another WrappedSecret has an entry of the same name", "OwnedByAnother") {
            $0.merge()
            $0.status = nil
            $0.current?.annotations = [OwnershipMetadata.allowAnnotation: "merge"]
            $0.current?.managedFields = [ManagedFieldsEntry(manager: "secrets-bridge-0", data: ["password"])]
        },
        Case("Merge: new values, and another manager has overwritten our entry", "update 50") {
            $0.merge()
            $0.status?.secret?.mac = "x"
            $0.current?.managedFields?[1] = ManagedFieldsEntry(manager: "kubectl", data: ["password"])
            guard let identity = try? MergeIdentity("db") else { return }
            $0.current?.managedFields?.append(
                ManagedFieldsEntry(
                    manager: identity.fieldManager, time: "T1", labels: [OwnershipMetadata.managedLabel]))
        },
        Case("Merge: new values, and another manager shares our entry", "update 50") {
            $0.merge()
            $0.status?.secret?.mac = "x"
            $0.current?.managedFields?.append(ManagedFieldsEntry(manager: "kubectl", data: ["password"]))
        },
        Case("Merge: our label was removed", "verifyByWriting 51") {
            $0.merge()
            $0.current?.resourceVersion = "51"
            $0.current?.labels = nil
        },
        Case("Merge: another template", "update 50") {
            $0.merge()
            $0.object.metadata.generation = 4
            $0.isEnvelopeVerified = true
        },
        Case("Merge: a Secret from a later generation", "verifyCacheIsCurrent 50") {
            $0.merge()
            $0.object.metadata.generation = 2
        },
        Case("Merge: a template with a type", "InvalidSpec") {
            $0.merge()
            $0.object.spec.template = .init(type: "Opaque")
        },
    ]

    static let objects = [
        Case("deleted, in sync", "skipDeleting") { $0.object.metadata.deletionTimestamp = "2026" },
        Case("deleted in the foreground, without a Secret", "skipDeleting") {
            $0.object.metadata.deletionTimestamp = "2026"
            $0.current = nil
        },
        Case("suspended", "suspend") { $0.object.spec.suspend = true },
        Case("suspended, without a Secret", "suspend") {
            $0.object.spec.suspend = true
            $0.current = nil
        },
        Case("suspended, with an unsupported format", "suspend") {
            $0.object.spec.suspend = true
            $0.object.spec.envelope.format = "v9"
        },
        Case("deleted and suspended", "skipDeleting") {
            $0.object.spec.suspend = true
            $0.object.metadata.deletionTimestamp = "2026"
        },
        Case("not suspended", "inSync 50") { $0.object.spec.suspend = false },
        Case("an unsupported format", "UnsupportedFormat") { $0.object.spec.envelope.format = "v2" },
        Case("an unsupported format with another creationPolicy", "UnsupportedFormat") {
            $0.object.spec.envelope.format = "v2"
            $0.object.spec.creationPolicy = "Orphan"
        },
        Case("no recipients", "InvalidSpec") { $0.object.spec.envelope.recipients = [] },
        Case("a MAC that is too short", "InvalidSpec") { $0.object.spec.envelope.mac = "AA==" },
        Case("an entry with a slash", "InvalidSpec") { $0.object.spec.envelope.data["a/b"] = "" },
        Case("a type that carries cluster credentials", "ForbiddenType") {
            $0.object.spec.template = .init(type: "kubernetes.io/service-account-token")
        },
        Case("our label in the template", "InvalidSpec") {
            $0.object.spec.template = .init(metadata: .init(labels: ["secrets-bridge.io/managed": "true"]))
        },
        Case("more than 1 MiB of values", "TooLarge") {
            $0.object.spec.envelope.data["big"] = Base64.encode([UInt8](repeating: 0, count: 1_048_600))
        },
        Case("an annotation that the operator denies", "InvalidSpec") {
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
        Case("a release of Helm by its type", "ForbiddenType") {
            $0.object.spec.template = .init(type: "helm.sh/release.v1")
        },
        Case("a release of Helm by its name", "InvalidSpec") {
            $0.object.spec.envelope.scope = "namespace"
            $0.object.spec.template = .init(metadata: .init(name: "sh.helm.release.v1.api.v2"))
        },
        Case("a release of Helm by its label", "InvalidSpec") {
            $0.object.spec.template = .init(metadata: .init(labels: ["owner": "helm", "name": "api"]))
        },
        Case("a release of Helm that the operator allows", "update 50") {
            $0.policy.allowedTypes = ["helm.sh/release.v1"]
            $0.object.spec.template = .init(
                metadata: .init(labels: ["owner": "helm"]), type: "helm.sh/release.v1")
            $0.status = nil
        },
        Case("a service account token that the operator allows", "ForbiddenType") {
            $0.policy.allowedTypes = ["kubernetes.io/service-account-token"]
            $0.object.spec.template = .init(type: "kubernetes.io/service-account-token")
        },
        Case("a label of the operator that the Secret lacks", "updateMetadata 50") {
            $0.addManagedFields()
            $0.policy.labels = ["env": "prod"]
        },
        Case("a requested sync", "update 50") {
            $0.addManagedFields()
            $0.object.metadata.annotations = [OwnershipMetadata.syncAnnotation: "now"]
        },
        Case("a requested sync that was carried out", "inSync 50") {
            $0.addManagedFields()
            $0.object.metadata.annotations = [OwnershipMetadata.syncAnnotation: "now"]
            $0.status?.lastHandledSync = "now"
        },
        Case("a request for a sync that was removed", "inSync 50") {
            $0.addManagedFields()
            $0.status?.lastHandledSync = "now"
        },
        Case("a scope that is not allowed", "ScopeNotAllowed") { $0.object.spec.envelope.scope = "cluster" },
        Case("a scope that is allowed", "update 50") {
            $0.object.spec.envelope.scope = "cluster"
            $0.policy.scopes = [.cluster]
            $0.status = nil
        },
    ]

    static let secrets = [
        Case("no Secret, and a read has confirmed that", "create") {
            $0.current = nil
            $0.isCurrentRead = true
        },
        Case("no Secret in the cache", "readSecret") { $0.current = nil },
        Case("no Secret in the cache, of a new object", "create") {
            $0.current = nil
            $0.status = nil
        },
        Case("a terminating Secret", "SecretConflict") { $0.current?.deletionTimestamp = "2026" },
        Case("a Secret without our metadata", "SecretConflict") { $0.strip() },
        Case("a Secret without our metadata that has other owners", "SecretConflict") {
            $0.strip()
            $0.current?.ownerReferences = [reference("Widget", "w", version: "v1", controller: nil)]
        },
        Case("a Secret that allows adoption, by an object that may be deleted", "verifyCacheIsCurrent 50") {
            $0.strip()
            $0.status = nil
            $0.current?.annotations?[OwnershipMetadata.allowAnnotation] = "adopt"
        },
        Case("a Secret that allows adoption", "update 50") {
            $0.strip()
            $0.status = nil
            $0.current?.annotations?[OwnershipMetadata.allowAnnotation] = "adopt"
            $0.isCacheVerified = true
        },
        Case("a Secret that allows merges", "SecretConflict") {
            $0.strip()
            $0.current?.annotations?[OwnershipMetadata.allowAnnotation] = "merge"
        },
        Case("a Secret of another WrappedSecret", "OwnedByAnother") {
            $0.current?.ownerReferences = [reference(wrappedSecretKind, "other")]
        },
        Case("a Secret of another WrappedSecret that allows adoption", "OwnedByAnother") {
            $0.current?.ownerReferences = [reference(wrappedSecretKind, "other")]
            $0.current?.annotations?[OwnershipMetadata.allowAnnotation] = "adopt"
        },
        Case("a Secret of another controller", "OwnedByAnother") {
            $0.current?.ownerReferences = [reference("Certificate", "db", version: "cert-manager.io/v1")]
        },
        Case("a Secret of another controller that allows adoption", "OwnedByAnother") {
            $0.current?.ownerReferences = [reference("Certificate", "db", version: "cert-manager.io/v1")]
            $0.current?.annotations?[OwnershipMetadata.allowAnnotation] = "adopt"
        },
        Case("a Secret of another controller with an owner reference of ours", "OwnedByAnother") {
            $0.current?.ownerReferences = [
                reference(wrappedSecretKind, "db", uid: "u1", controller: nil),
                reference("Job", "j", version: "batch/v1"),
            ]
        },
        Case("a Secret of a WrappedSecret of another group", "OwnedByAnother") {
            $0.current?.ownerReferences = [
                reference(wrappedSecretKind, "db", version: "secrets-bridge.io.example/v1alpha1")
            ]
        },
        Case("an owner reference of another API version", "updateMetadata 50") {
            $0.current?.ownerReferences = [
                reference(wrappedSecretKind, "db", version: "secrets-bridge.io/v2")
            ]
        },
        Case("an orphan in sync", "inSync 50") { $0.orphan() },
        Case("an orphan of the object's predecessor", "update 50") {
            $0.orphan()
            $0.status = nil
            $0.current?.annotations?[OwnershipMetadata.sourceAnnotation] = "u0/7"
        },
        Case("an orphan, and creationPolicy Owner", "updateMetadata 50") {
            $0.orphan()
            $0.object.spec.creationPolicy = "Owner"
            $0.isCacheVerified = true
        },
        Case("an owned Secret, and creationPolicy Orphan", "updateMetadata 50") {
            $0.addManagedFields()
            $0.object.spec.creationPolicy = "Orphan"
        },
        Case("an orphan of another WrappedSecret", "OwnedByAnother") { $0.orphan(by: "other") },
        Case("an orphan of another WrappedSecret that allows adoption", "OwnedByAnother") {
            $0.orphan(by: "other")
            $0.current?.annotations?[OwnershipMetadata.allowAnnotation] = "adopt"
        },
        Case("an orphan that another controller owns", "OwnedByAnother") {
            $0.orphan()
            $0.current?.ownerReferences = [reference("Certificate", "db", version: "cert-manager.io/v1")]
        },
        Case("a Secret from a later generation", "verifyCacheIsCurrent 50") {
            $0.current?.annotations?[OwnershipMetadata.sourceAnnotation] = "u1/4"
        },
        Case("a Secret from a later generation that the API server does not know", "update 50") {
            $0.current?.annotations?[OwnershipMetadata.sourceAnnotation] = "u1/4"
            $0.isCacheVerified = true
        },
        Case("a Secret from a later generation of another uid", "updateMetadata 50") {
            $0.current?.annotations?[OwnershipMetadata.sourceAnnotation] = "u0/4"
        },
        Case("a Secret whose source annotation cannot be parsed", "updateMetadata 50") {
            $0.current?.annotations?[OwnershipMetadata.sourceAnnotation] = "u1"
        },
    ]

    @Test(arguments: inSync + managedFields + verifiedData + merges + objects + secrets)
    func decides(testCase: Case) {
        var input = SyncInput.inSync
        testCase.change(&input)
        #expect(input.plan == testCase.plan)
    }

    @Test func aBlockedAdoptionNamesTheCommandThatAllowsIt() {
        var input = SyncInput.inSync
        input.strip()
        input.status = nil
        guard case .block(let blocked) = SyncPlan.decide(input) else {
            Issue.record("the plan is \(input.plan)")
            return
        }
        #expect(
            blocked.message.contains("kubectl annotate secret -n payments db secrets-bridge.io/allow=adopt"))
    }
}

extension SyncInput {
    /// A WrappedSecret in sync: the cached Secret is as the status reports it.
    fileprivate static var inSync: SyncInput {
        let object = unsealedWrappedSecret()
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
        let secret = ObjectMeta(
            name: "db", namespace: "payments", uid: "s1", resourceVersion: "50",
            labels: OwnershipMetadata.labels, annotations: OwnershipMetadata.annotations(of: object),
            ownerReferences: [
                OwnerReference(
                    apiVersion: wrappedSecretAPIVersion, kind: wrappedSecretKind, name: "db", uid: "u1",
                    controller: true)
            ])
        return SyncInput(object: object, status: status, current: secret)
    }

    /// The action and the version of the Secret that it starts from, or the reason that blocks.
    fileprivate var plan: String {
        switch SyncPlan.decide(self) {
        case .skipDeleting: return "skipDeleting"
        case .suspend: return "suspend"
        case .block(let blocked): return blocked.reason.rawValue
        case .perform(let action, let request):
            let name = if case .compareData = action { "compareData" } else { "\(action)" }
            return [name, request.current?.resourceVersion].compactMap(\.self).joined(separator: " ")
        }
    }

    /// Lets this process know the data of a version of the Secret.
    fileprivate mutating func verify(
        _ resourceVersion: String, uid: String = "s1", envelope: [UInt8]? = nil, isWholeSecret: Bool = true
    ) {
        guard let desired = try? DesiredSecret(object) else { return }
        verifiedData = VerifiedData(
            uid: uid, resourceVersion: resourceVersion, sourceDigest: envelope ?? desired.sourceDigest,
            dataDigest: [1], isWholeSecret: isWholeSecret)
    }

    /// Makes the Secret one that a WrappedSecret with the creationPolicy Orphan created.
    fileprivate mutating func orphan(by name: String = "db") {
        object.spec.creationPolicy = "Orphan"
        addManagedFields()
        current?.ownerReferences = nil
        current?.annotations?[OwnershipMetadata.wrappedSecretAnnotation] = name
    }

    /// Removes all of our metadata from the Secret.
    fileprivate mutating func strip() {
        current?.ownerReferences = nil
        current?.labels = [:]
        current?.annotations = [:]
    }

    /// Gives the Secret complete metadata, and the `managedFields` of our last write.
    fileprivate mutating func addManagedFields() {
        status?.lastSyncTime = "T1"
        let entries = Set(object.spec.envelope.data.keys)
        current?.managedFields = [
            ManagedFieldsEntry(
                manager: KubeClient.fieldManager, time: "T1",
                labels: Set(OwnershipMetadata.labels.keys),
                annotations: Set(OwnershipMetadata.annotations(of: object).keys), data: entries)
        ]
        current?.labels = OwnershipMetadata.labels
        current?.annotations = OwnershipMetadata.annotations(of: object)
    }

    /// Lets another manager write the Secret.
    fileprivate mutating func write(by manager: String, data: Set<String> = []) {
        addManagedFields()
        current?.resourceVersion = "51"
        current?.managedFields?.append(ManagedFieldsEntry(manager: manager, time: "T2", data: data))
    }

    /// Makes the Secret a merge target, as the last merge left it.
    fileprivate mutating func merge(allowed: String? = "merge") {
        object.spec.creationPolicy = "Merge"
        status?.lastSyncTime = "T1"
        guard let identity = try? MergeIdentity("db") else { return }
        current?.labels = [OwnershipMetadata.managedLabel: "true"]
        current?.annotations = [identity.sourceAnnotation: "u1/3", identity.entriesAnnotation: "password"]
        current?.annotations?[OwnershipMetadata.allowAnnotation] = allowed
        current?.ownerReferences = nil
        current?.managedFields = [
            ManagedFieldsEntry(manager: "helm", time: "T0", data: ["other"]),
            ManagedFieldsEntry(
                manager: identity.fieldManager, time: "T1", labels: [OwnershipMetadata.managedLabel],
                annotations: [identity.sourceAnnotation], data: ["password"]),
        ]
    }
}
