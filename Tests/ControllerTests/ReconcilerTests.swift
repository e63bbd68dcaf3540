import Envelope
import Foundation
import JSON
import KubeClient
import Resources
import System
import TestSupport
import Testing

@testable import Controller

/// Reconciles of one object, with the requests that each sends.
@Suite struct ReconcilerTests {
    private let create = ["POST payments/secrets", "PATCH wrappedsecrets/db/status"]
    /// The Secret of an object that was reconciled before is read first.
    private let createAfterRead = [
        "GET secrets/db", "POST payments/secrets", "PATCH wrappedsecrets/db/status",
    ]
    /// The ciphertexts of an object that was in sync are not in memory any more, and are read too.
    private let createWithCiphertexts = [
        "GET secrets/db", "GET wrappedsecrets/db", "POST payments/secrets", "PATCH wrappedsecrets/db/status",
    ]
    private let update = ["PATCH secrets/db", "PATCH wrappedsecrets/db/status"]
    private let statusOnly = ["PATCH wrappedsecrets/db/status"]
    private let canary1 = "Y2FuYXJ5LTE="

    private func foreignSecret(_ annotations: AnyJSON = [:]) -> AnyJSON {
        [
            "metadata": ["name": "db", "namespace": "payments", "annotations": annotations], "type": "Opaque",
            "data": ["old": "eA=="],
        ]
    }

    @Test func createsTheSecretAndReportsIt() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        let run = await cluster.reconcile()
        #expect(run.outcome == .done)
        #expect(run.requests == create)
        #expect(cluster.password == canary1)
        let status = try #require(cluster.object?["status"])
        #expect(cluster.reason == "Synced")
        #expect(status["observedGeneration"] == 3)
        #expect(status[["secret", "uid"]] == cluster.secret?[["metadata", "uid"]])
        #expect(status[["secret", "resourceVersion"]] == cluster.secret?[["metadata", "resourceVersion"]])
        #expect(status["keyID"]?.string == cluster.keys.keyID)
    }

    /// Whether the watch has shown our writes or not.
    @Test func sendsNoRequestForAnObjectInSync() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        for _ in 0..<3 { #expect(await cluster.reconcile().requests == []) }
        try cluster.syncCaches()
        for _ in 0..<3 { #expect(await cluster.reconcile().requests == []) }
        #expect(cluster.keys.unwrapCount == 1)
    }

    @Test func sendsNoRequestAfterARestartInSync() async throws {
        let first = try await TestCluster.withWrappedSecret()
        _ = await first.reconcile()
        let second = try TestCluster()
        for path in ["\(TestCluster.objects)/db", "\(TestCluster.secrets)/db"] {
            second.server[path] = first.server[path]
        }
        // The second API server assigns other versions.
        var object = try #require(second.object)
        object[["status", "secret", "resourceVersion"]] = second.secret?[["metadata", "resourceVersion"]]
        second.server["\(TestCluster.objects)/db"] = object
        try second.syncCaches()
        #expect(await second.reconcile().requests == [])
        #expect(second.keys.unwrapCount == 0)
    }

    @Test func updatesTheSecretOfANewGeneration() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        let uid = cluster.secret?[["metadata", "uid"]]
        try await cluster.apply(["password": "canary-2", "user": "x"]) { $0[["metadata", "generation"]] = 4 }
        #expect(await cluster.reconcile().requests == update)
        #expect(cluster.secret?["data"] == ["password": "Y2FuYXJ5LTI=", "user": "eA=="])
        #expect(cluster.secret?[["metadata", "uid"]] == uid, "the same Secret")
        #expect(cluster.object?[["status", "secret", "generation"]] == 4)
        #expect(await cluster.reconcile().requests == [])
    }

    @Test func revertsAnExternalChange() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        var secret = try #require(cluster.secret)
        secret["data"] = ["password": "ZXZpbA==", "more": "eA=="]
        secret[["metadata", "labels", "foreign"]] = "stays"
        cluster.server["\(TestCluster.secrets)/db"] = secret
        try cluster.syncCaches()
        #expect(await cluster.reconcile().requests == ["GET secrets/db", "GET wrappedsecrets/db"] + update)
        #expect(cluster.secret?["data"] == ["password": .string(canary1)])
        #expect(cluster.secret?[["metadata", "labels", "foreign"]] == "stays")
        try cluster.syncCaches()
        #expect(await cluster.reconcile().requests == [])
    }

    @Test func recreatesADeletedSecret() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        cluster.server["\(TestCluster.secrets)/db"] = nil
        try cluster.syncCaches()
        #expect(await cluster.reconcile().requests == createWithCiphertexts)
        #expect(cluster.password == canary1)
    }

    /// The watch selects by our label, so the Secret seems to be deleted.
    @Test func restoresTheLabelThatTheWatchSelectsBy() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        var secret = try #require(cluster.secret)
        secret[["metadata", "labels", OwnershipMetadata.managedLabel]] = nil
        cluster.server["\(TestCluster.secrets)/db"] = secret
        try cluster.syncCaches()
        let run = await cluster.reconcile()
        #expect(run.requests == ["GET secrets/db", "GET secrets/db"] + update)
        #expect(cluster.keys.unwrapCount == 1, "the data is unchanged")
        #expect(cluster.secret?[["metadata", "labels", OwnershipMetadata.managedLabel]] == "true")
        try cluster.syncCaches()
        #expect(await cluster.reconcile().requests == [])
    }

    /// Another writer has removed our label and the conditions of the status, so that the object looks like a new one.
    @Test func readsTheSecretThatAStatusWithoutConditionsNames() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        var secret = try #require(cluster.secret)
        secret[["metadata", "labels", OwnershipMetadata.managedLabel]] = nil
        cluster.server["\(TestCluster.secrets)/db"] = secret
        var object = try #require(cluster.object)
        object[["status", "conditions"]] = nil
        cluster.server["\(TestCluster.objects)/db"] = object
        try cluster.syncCaches()
        let run = await cluster.reconcile()
        #expect(run.outcome == .done)
        #expect(run.requests == ["GET secrets/db", "GET secrets/db"] + update)
        #expect(cluster.reason == "Synced")
        #expect(cluster.secret?[["metadata", "labels", OwnershipMetadata.managedLabel]] == "true")
    }

    /// The object has no status, as after a restore without one, and the Secret comes from a generation that the server has not.
    @Test func verifiesTheCacheAfterACreateThatFindsASecretOfALaterGeneration() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        var secret = try #require(cluster.secret)
        secret[["metadata", "labels", OwnershipMetadata.managedLabel]] = nil
        secret[["metadata", "annotations", OwnershipMetadata.sourceAnnotation]] = "u1/9"
        cluster.server["\(TestCluster.secrets)/db"] = secret
        cluster.server["\(TestCluster.objects)/db"]?["status"] = nil
        try await cluster.apply()
        let run = await cluster.reconcile()
        #expect(run.outcome == .done)
        #expect(
            run.requests == ["POST payments/secrets", "GET secrets/db", "GET wrappedsecrets/db"] + update)
        #expect(cluster.secret?[["metadata", "annotations", OwnershipMetadata.sourceAnnotation]] == "u1/3")
    }

    /// Adds a Secret that the object owns under another name: one left by a rename, or one that a replica with a newer
    /// cache has just created.
    private func addOwnedSecret(
        _ name: String, by uid: String = "u1", generation: Int64, _ more: [AnyJSON] = [],
        in cluster: TestCluster
    ) throws {
        var secret = try #require(cluster.secret)
        var owner = try #require(secret[["metadata", "ownerReferences"]]?.items?.first)
        owner["uid"] = .string(uid)
        secret[["metadata", "ownerReferences"]] = .array([owner] + more)
        secret[["metadata", "name"]] = .string(name)
        secret[["metadata", "uid"]] = .string("uid-of-\(name)")
        secret[["metadata", "annotations", OwnershipMetadata.sourceAnnotation]] = .string(
            "\(uid)/\(generation)")
        cluster.server["\(TestCluster.secrets)/\(name)"] = secret
        try cluster.syncCaches()
    }

    @Test func deletesASecretThatAnEarlierGenerationCreatedUnderAnotherName() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        try addOwnedSecret("old", generation: 2, in: cluster)
        #expect(await cluster.reconcile().requests == ["GET wrappedsecrets/db", "DELETE secrets/old"])
        #expect(cluster.server["\(TestCluster.secrets)/old"] == nil)
        #expect(cluster.secret != nil)
    }

    /// Users can give an object thousands of Secrets that look like those of earlier names, and others wait for the worker.
    @Test func deletesAFewSecretsUnderOtherNamesAtATime() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        for index in 0..<40 { try addOwnedSecret("old-\(index)", generation: 2, in: cluster) }
        for left in [24, 8, 0] {
            let run = await cluster.reconcile()
            #expect(run.outcome == (left > 0 ? .requeue(after: .seconds(1)) : .done))
            try cluster.syncCaches()
            #expect(cluster.server.objects(under: "\(TestCluster.secrets)/old-").count == left)
        }
    }

    /// What the cache has of a Secret shows whether it is left from an earlier name.
    @Test func readsNoSecretsUnderOtherNamesThatTheCacheHasInPart() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        for index in 0..<20 {
            try addOwnedSecret("large-\(index)", generation: 7, in: cluster)
            var secret = try #require(cluster.server["\(TestCluster.secrets)/large-\(index)"])
            secret[["metadata", "annotations", "filler"]] = .string(String(repeating: "x", count: 10_000))
            cluster.server["\(TestCluster.secrets)/large-\(index)"] = secret
        }
        try cluster.syncCaches()
        let ref = ObjectRef(namespace: "payments", name: "large-0")
        #expect(cluster.informers.secrets[ref]?.isAbridged == true)
        #expect(await cluster.reconcile().requests == [])
    }

    /// Adds a Secret that has the annotation of an object that merged entries into it.
    ///
    /// - Parameter isLeftover: True if the object has its entries there, in a cache that has all of the Secret. False if the
    ///   cache has only a part, so that the Secret has to be read to find out.
    private func addMergedSecret(
        _ name: String, isLeftover: Bool, in cluster: TestCluster
    ) throws {
        let identity = try MergeIdentity("db")
        var secret: AnyJSON = [
            "metadata": [
                "name": .string(name), "namespace": "payments",
                "labels": .object([OwnershipMetadata.managedLabel: "true"]),
                "annotations": .object([identity.sourceAnnotation: "u1/2"]),
            ]
        ]
        if isLeftover {
            let entry: AnyJSON = ["manager": .string(identity.fieldManager), "fieldsV1": ["f:data": [:]]]
            secret[["metadata", "managedFields"]] = .array([entry])
        } else {
            secret[["metadata", "annotations", "filler"]] = .string(String(repeating: "x", count: 10_000))
        }
        cluster.server["\(TestCluster.secrets)/\(name)"] = secret
    }

    /// Other writers can copy the annotation to Secrets that the cache has only in part.
    @Test func findsTheMergedEntriesBehindManySecretsThatHaveNone() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        for index in 10..<40 {
            try addMergedSecret("large-\(index)", isLeftover: false, in: cluster)
        }
        try addMergedSecret("old", isLeftover: true, in: cluster)
        try cluster.syncCaches()
        let first = await cluster.reconcile()
        #expect(first.requests == (10..<26).map { "GET secrets/large-\($0)" })
        #expect(first.outcome == .requeue(after: Reconciler.examinationDelay))
        let second = await cluster.reconcile()
        #expect(
            second.requests
                == (26..<40).map { "GET secrets/large-\($0)" } + [
                    "GET wrappedsecrets/db", "PATCH secrets/old",
                ])
        #expect(second.outcome == .done)
    }

    @Test func examinesTheSecretsAgainForAnotherGeneration() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        for index in 10..<40 {
            try addMergedSecret("large-\(index)", isLeftover: false, in: cluster)
        }
        try cluster.syncCaches()
        _ = await cluster.reconcile()
        try await cluster.apply { $0[["metadata", "generation"]] = 4 }
        #expect(await cluster.reconcile().requests.contains("GET secrets/large-10"))
        cluster.reconciler.tracker.forget(cluster.ref)
        #expect(await cluster.reconcile().requests.contains("GET secrets/large-10"))
    }

    /// The garbage collector does not notice that an owner was deleted and created again while it did not watch.
    @Test func deletesASecretThatAPredecessorCreatedUnderAnotherName() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        try addOwnedSecret("old", by: "u0", generation: 7, in: cluster)
        #expect(await cluster.reconcile().requests == ["GET wrappedsecrets/db", "DELETE secrets/old"])
        #expect(cluster.server["\(TestCluster.secrets)/old"] == nil)
        #expect(cluster.secret != nil)
    }

    @Test func keepsASecretThatHasAnotherOwner() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        let other: AnyJSON = ["apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u9"]
        try addOwnedSecret("old", by: "u0", generation: 7, [other], in: cluster)
        #expect(await cluster.reconcile().requests == [])
    }

    /// The cache does not have the successor yet, whose Secret looks like one of a predecessor.
    @Test func keepsASecretThatASuccessorCreated() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        try addOwnedSecret("new", by: "u2", generation: 1, in: cluster)
        var object = try #require(cluster.object)
        object[["metadata", "uid"]] = "u2"
        cluster.server["\(TestCluster.objects)/db"] = object
        #expect(await cluster.reconcile().requests == ["GET wrappedsecrets/db"])
        #expect(cluster.server["\(TestCluster.secrets)/new"] != nil)
    }

    /// Another replica, with a newer cache, has renamed the target.
    @Test func keepsASecretThatALaterGenerationCreated() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        try addOwnedSecret("new", generation: 4, in: cluster)
        #expect(await cluster.reconcile().requests == [])
        #expect(cluster.server["\(TestCluster.secrets)/new"] != nil)
    }

    @Test func deletesNothingWhileTheServerHasALaterGeneration() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        try addOwnedSecret("other", generation: 2, in: cluster)
        var object = try #require(cluster.object)
        object[["metadata", "generation"]] = 4
        cluster.server["\(TestCluster.objects)/db"] = object
        #expect(await cluster.reconcile().requests == ["GET wrappedsecrets/db"])
        #expect(cluster.server["\(TestCluster.secrets)/other"] != nil)
    }

    /// The status of another generation may report another key.
    @Test func aNewTemplateReportsTheKeyThatUnwrappedTheEnvelope() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        var object = try #require(cluster.object)
        let key = object[["status", "keyID"]]
        object[["metadata", "generation"]] = 4
        object[["status", "keyID"]] = "another"
        cluster.server["\(TestCluster.objects)/db"] = object
        try cluster.syncCaches()
        #expect(await cluster.reconcile().requests == update)
        #expect(key != nil)
        #expect(cluster.object?[["status", "keyID"]] == key)
    }

    @Test func reportsAConflictWithAForeignSecret() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        cluster.server["\(TestCluster.secrets)/db"] = foreignSecret()
        let run = await cluster.reconcile()
        #expect(run.outcome == .requeue(after: .seconds(20)))
        #expect(run.requests == ["POST payments/secrets", "GET secrets/db"] + statusOnly)
        #expect(cluster.secret?["data"] == ["old": "eA=="])
        #expect(cluster.reason == "SecretConflict")
        #expect(cluster.condition("Reconciling")?["status"] == "True")
        #expect(
            await cluster.reconcile().requests == ["GET secrets/db"],
            "the same status is not written again, and the KMS is not used")
    }

    @Test func adoptsASecretThatAllowsIt() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        cluster.server["\(TestCluster.secrets)/db"] = foreignSecret(["secrets-bridge.io/allow": "adopt"])
        #expect(await cluster.reconcile().outcome == .done)
        #expect(cluster.secret?["data"] == ["password": .string(canary1)])
        #expect(cluster.reason == "Synced")
        #expect(
            cluster.secret?[["metadata", "annotations", OwnershipMetadata.allowAnnotation]] == nil,
            "the adoption removes the permission")
        try cluster.syncCaches()
        #expect(await cluster.reconcile().requests == [])
    }

    @Test func keepsTheSecretWhileTheKMSFails() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        let before = cluster.secret
        try await cluster.apply(["password": "canary-2"]) { $0[["metadata", "generation"]] = 4 }
        cluster.keys.fail(.unavailable)
        let failed = await cluster.reconcile()
        #expect(failed.outcome == .requeueRateLimited)
        #expect(failed.requests == statusOnly)
        #expect(cluster.secret == before)
        #expect(cluster.reason == "KMSUnavailable")
        #expect(
            cluster.object?[["status", "secret", "generation"]] == 3, "the last sync stays in the status")
        #expect(await cluster.reconcile().requests == [], "the same status is not written again")
        try cluster.syncCaches()
        #expect(await cluster.reconcile().requests == [])
        cluster.keys.fail(nil)
        #expect(await cluster.reconcile().requests == update)
        #expect(cluster.reason == "Synced")
        #expect(cluster.password == "Y2FuYXJ5LTI=")
    }

    @Test func retriesATerminalFailureOnlyAfterAChange() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        cluster.keys.fail(.invalidCiphertext)
        #expect(await cluster.reconcile().outcome.isRequeueAfter)
        #expect(cluster.reason == "DecryptFailed")
        #expect(cluster.condition("Stalled")?["status"] == "True")
        #expect(cluster.secret == nil)
        try cluster.syncCaches()
        #expect(await cluster.reconcile().requests == [])
        #expect(
            cluster.keys.unwrapCount == 1,
            "one try, not one an event")
        cluster.keys.fail(nil)
        try await cluster.apply { $0[["metadata", "generation"]] = 4 }
        #expect(await cluster.reconcile().requests == createAfterRead)
    }

    @Test(arguments: [
        (KeyManagerError.Code.unavailable, 1), (.accessDenied, 1), (.keyUnavailable, 1),
        (.invalidCiphertext, 1),
    ])
    func queuesAnObjectThatWaitsForTheKMSOnceItRecovers(code: KeyManagerError.Code, queued: Int) async throws
    {
        let cluster = try await TestCluster.withWrappedSecret()
        let queue = cluster.informers.queue
        while queue.count > 0 { _ = await queue.processNext { _ in .done } }
        cluster.keys.fail(code)
        _ = await cluster.reconcile()
        cluster.informers.retryAfterKMSRecovery()
        #expect(queue.count == queued)
    }

    /// The event of our own status write must not retry a failure at once.
    @Test func doesNotQueueAnObjectForItsOwnStatusWrite() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        let queue = cluster.informers.queue
        while queue.count > 0 { _ = await queue.processNext { _ in .done } }
        cluster.keys.fail(.unavailable)
        _ = await cluster.reconcile()
        cluster.informers.handle(try cluster.objectEvent())
        #expect(queue.count == 0)
        cluster.server["\(TestCluster.objects)/db"]?[["metadata", "generation"]] = 4
        cluster.informers.handle(try cluster.objectEvent())
        #expect(queue.count == 1)
    }

    /// The Secret is in neither the old list nor the new one.
    @Test func queuesAnObjectWhoseSecretIsMissingFromANewList() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        let queue = cluster.informers.queue
        _ = await cluster.reconcile()
        while queue.count > 0 { _ = await queue.processNext { _ in .done } }
        cluster.server["\(TestCluster.secrets)/db"] = nil
        cluster.informers.handle(WatcherEvent<SecretMetadata>.initStarted)
        cluster.informers.handle(
            WatcherEvent<SecretMetadata>.initDone(resourceVersion: cluster.server.resourceVersion))
        #expect(queue.count == 1)
        #expect(await cluster.reconcile().requests == createWithCiphertexts)
    }

    @Test func doesNotDecryptACopyInAnotherNamespace() async throws {
        let cluster = try TestCluster()
        let object = try await makeWrappedSecret(by: cluster.keys, namespace: "elsewhere")
        var json = object.json
        json[["metadata", "namespace"]] = "payments"
        cluster.server["\(TestCluster.objects)/db"] = json
        try cluster.syncCaches()
        #expect(await cluster.reconcile().outcome.isRequeueAfter)
        #expect(cluster.reason == "DecryptFailed")
        #expect(cluster.secret == nil)
    }

    @Test func reportsAMalformedObjectOnce() async throws {
        let cluster = try await TestCluster.withWrappedSecret { $0[["spec", "mac"]] = nil }
        #expect(await cluster.reconcile().requests == statusOnly)
        #expect(cluster.reason == "InvalidSpec")
        #expect(
            cluster.condition("Ready")?["message"] == "the object is malformed: spec.mac is missing")
        for _ in 0..<3 {
            try cluster.syncCaches()
            #expect(await cluster.reconcile().requests == [], "the status write must not cause another one")
        }
        try await cluster.apply { $0[["metadata", "generation"]] = 4 }
        #expect(await cluster.reconcile().requests == createAfterRead)
    }

    /// The object is deleted and created again during the reconcile.
    @Test func doesNotWriteTheStatusOfAnotherObjectOfTheSameName() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        let server = cluster.server
        var successor = try #require(cluster.object)
        successor[["metadata", "uid"]] = "u2"
        server.beforeNextRequest { [successor] _ in server["\(TestCluster.objects)/db"] = successor }
        let run = await cluster.reconcile()
        #expect(run.outcome == .requeueRateLimited)
        #expect(run.requests == create)
        #expect(cluster.object?["status"] == nil)
        try cluster.syncCaches()
        #expect(await cluster.reconcile().requests == update)
        #expect(cluster.secret?[["metadata", "ownerReferences"]]?.items?.map { $0["uid"] } == ["u2"])
        #expect(cluster.reason == "Synced")
    }

    @Test func endsQuietlyWhenTheObjectIsDeletedMeanwhile() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        let server = cluster.server
        server.beforeNextRequest { _ in server["\(TestCluster.objects)/db"] = nil }
        #expect(await cluster.reconcile().outcome == .done)
        cluster.keys.fail(.unavailable)
        let failing = try await TestCluster.withWrappedSecret()
        failing.keys.fail(.unavailable)
        failing.server["\(TestCluster.objects)/db"] = nil
        #expect(await failing.reconcile().outcome == .done)
    }

    @Test func doesNothingForATerminatingObject() async throws {
        let cluster = try await TestCluster.withWrappedSecret {
            $0[["metadata", "deletionTimestamp"]] = "2026-01-01T00:00:00Z"
        }
        let run = await cluster.reconcile()
        #expect(run.outcome == .done)
        #expect(run.requests == [])
        let malformed = try await TestCluster.withWrappedSecret {
            $0[["metadata", "deletionTimestamp"]] = "2026-01-01T00:00:00Z"
            $0[["spec", "mac"]] = nil
        }
        #expect(await malformed.reconcile().requests == [])
    }

    @Test func retriesAConflict() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        try cluster.syncCaches()
        try await cluster.apply(["password": "canary-2"]) { $0[["metadata", "generation"]] = 4 }
        let server = cluster.server
        var other = try #require(cluster.secret)
        other[["metadata", "labels", "faster"]] = "1"
        server.beforeNextRequest { [other] _ in server["\(TestCluster.secrets)/db"] = other }
        let run = await cluster.reconcile()
        #expect(run.outcome == .requeueRateLimited)
        #expect(run.requests == ["PATCH secrets/db"])
        try cluster.syncCaches()
        #expect(await cluster.reconcile().requests == update)
        #expect(cluster.secret?[["metadata", "labels", "faster"]] == "1")
    }

    @Test func recreatesASecretThatIsDeletedBeforeThePatch() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        try await cluster.apply(["password": "canary-2"]) { $0[["metadata", "generation"]] = 4 }
        let server = cluster.server
        server.beforeNextRequest { _ in server["\(TestCluster.secrets)/db"] = nil }
        #expect(await cluster.reconcile().outcome == .requeueRateLimited)
        try cluster.syncCaches()
        #expect(await cluster.reconcile().requests == createAfterRead)
        #expect(cluster.password == "Y2FuYXJ5LTI=")
    }

    /// The process ends, or loses its connection, between the two writes.
    @Test func writesAFailedStatusInTheNextReconcile() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        cluster.server.failNext("PATCH", "/status", .status(500, "InternalError"))
        #expect(await cluster.reconcile().outcome == .requeueRateLimited)
        let written = cluster.secret
        #expect(await cluster.reconcile().requests == update)
        #expect(cluster.secret == written, "the patch changed nothing")
        #expect(cluster.keys.unwrapCount == 1, "the opened values are kept")
        #expect(cluster.reason == "Synced")
        #expect(await cluster.reconcile().requests == [])
    }

    @Test func reportsAnImmutableSecretAndAChangedType() async throws {
        let cluster = try await TestCluster.withWrappedSecret {
            $0[["spec", "template"]] = ["immutable": true]
        }
        _ = await cluster.reconcile()
        try await cluster.apply(["password": "canary-2"]) {
            $0[["metadata", "generation"]] = 4
            $0[["spec", "template"]] = ["immutable": true]
        }
        #expect(await cluster.reconcile().outcome == .backOff(from: .seconds(1)))
        #expect(cluster.reason == "ImmutableSecret")
        #expect(cluster.password == canary1)
        try await cluster.apply { json in
            json[["metadata", "generation"]] = 5
            json[["spec", "template"]] = ["type": "example.com/other", "immutable": true]
        }
        #expect(await cluster.reconcile().outcome == .backOff(from: .seconds(1)))
        #expect(cluster.reason == "SecretTypeChanged")
    }

    /// The old Secret is deleted, then the API server fails, and then the KMS.
    @Test func finishesARecreationDuringAnOutageOfTheKMS() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        try cluster.syncCaches()
        try await cluster.apply(["password": "canary-2"]) {
            $0[["metadata", "generation"]] = 4
            $0[["spec", "template"]] = ["type": "example.com/other"]
            $0[["spec", "recreate"]] = true
        }
        let dryRun = #"{"metadata": {"namespace": "payments", "name": "secrets-bridge-u1"}}"#
        cluster.server.failNext("POST", "/secrets", FakeTransport.Response(201, dryRun))
        cluster.server.failNext("POST", "/secrets", .status(500, "InternalError"))
        #expect(await cluster.reconcile().outcome == .requeueRateLimited)
        #expect(cluster.secret == nil)
        cluster.keys.fail(.unavailable)
        #expect(
            await cluster.reconcile().outcome == .requeueRateLimited,
            "the cache still has the old Secret")
        try cluster.syncCaches()
        #expect(await cluster.reconcile().outcome == .done)
        #expect(cluster.password == "Y2FuYXJ5LTI=")
        #expect(cluster.secret?["type"] == "example.com/other")
    }

    /// A tenant can hold a Secret that was deleted with a finalizer, and hide it from the cache.
    @Test func unpinsTheValuesOfASecretThatARequestHasShown() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        try cluster.syncCaches()
        try await cluster.apply(["password": "canary-2"]) {
            $0[["metadata", "generation"]] = 4
            $0[["spec", "template"]] = ["type": "example.com/other"]
            $0[["spec", "recreate"]] = true
        }
        let server = cluster.server
        let old = try #require(cluster.secret)
        let dryRun = #"{"metadata": {"namespace": "payments", "name": "secrets-bridge-u1"}}"#
        server.failNext("POST", "/secrets", FakeTransport.Response(201, dryRun))
        server.failNext("POST", "/secrets", .status(500, "InternalError"))
        #expect(await cluster.reconcile().outcome == .requeueRateLimited)
        guard case .object(let object)? = cluster.informers.objects[cluster.ref] else { return }
        let digest = try #require(object.spec.envelope.droppedCiphertexts?.digest)
        func isPinned() -> Bool {
            cluster.informers.tracker.plaintextCache.envelope(
                of: cluster.ref, digest: digest, now: .now + .seconds(601)) != nil
        }
        #expect(isPinned())
        var held = old
        held[["metadata", "labels"]] = nil
        held[["metadata", "deletionTimestamp"]] = "2026-01-01T00:00:00Z"
        server["\(TestCluster.secrets)/db"] = held
        try cluster.syncCaches()
        #expect(cluster.informers.secrets[cluster.ref] == nil)
        _ = await cluster.reconcile()
        #expect(!isPinned())
    }

    /// An object that waits for a token asks for it again and again.
    @Test func aThrottledObjectSendsNoRequest() async throws {
        var limit = UnwrapRateLimit()
        (limit.rate, limit.burst) = (1, 1)
        let cluster = try await TestCluster.withWrappedSecret(limit: limit)
        _ = await cluster.reconcile()
        try await cluster.apply(["password": "canary-2"]) { $0[["metadata", "generation"]] = 4 }
        cluster.informers.tracker.pendingCiphertexts.remove(cluster.ref)
        let run = await cluster.reconcile()
        guard case .throttled = run.outcome else {
            Issue.record("\(run.outcome)")
            return
        }
        #expect(run.requests == [])
    }

    /// The KMS may have returned wrong data keys for a while.
    @Test func retriesARejectedEnvelopeAfterAnotherWasOpened() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        let queue = cluster.informers.queue
        cluster.informers.tracker.rejectedEnvelopes.insert(
            ObjectRef(namespace: "payments", name: "refused"), now: .now - .seconds(5))
        while queue.count > 0 { _ = await queue.processNext { _ in .done } }
        _ = await cluster.reconcile()
        #expect(queue.count == 1)
    }

    @Test(arguments: [
        (FakeTransport.Response.status(403, "Forbidden", "User x cannot create"), "Forbidden"),
        (.status(403, "Forbidden", "exceeded quota: q"), "QuotaExceeded"),
    ]) func reportsARejectionAndRetriesIt(response: FakeTransport.Response, reason: String) async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        cluster.server.failNext("POST", "/secrets", response)
        #expect(await cluster.reconcile().outcome == .backOff(from: .seconds(1)))
        #expect(cluster.reason == reason)
        #expect(await cluster.reconcile().outcome == .done)
        #expect(cluster.keys.unwrapCount == 1, "the opened values are kept")
        #expect(cluster.reason == "Synced")
    }

    @Test func writesNoStatusIntoATerminatingNamespace() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        cluster.server.failNext(
            "POST", "/secrets",
            .status(
                403, "Forbidden", "being terminated",
                details: #"{"causes":[{"reason":"NamespaceTerminating"}]}"#))
        let run = await cluster.reconcile()
        #expect(run.outcome == .requeueRateLimited)
        #expect(run.requests == ["POST payments/secrets"])
    }

    @Test func keepsTheSecretOfASuspendedObject() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        let before = cluster.secret
        try await cluster.apply(["password": "canary-2"]) {
            $0[["metadata", "generation"]] = 4
            $0[["spec", "suspend"]] = true
        }
        let run = await cluster.reconcile()
        #expect(run.outcome == .done)
        #expect(run.requests == statusOnly)
        #expect(cluster.secret == before)
        #expect(cluster.reason == "Synced")
        #expect(cluster.condition("Suspended")?["status"] == "True")
        #expect(await cluster.reconcile().requests == [])
        try await cluster.apply(["password": "canary-2"]) { $0[["metadata", "generation"]] = 5 }
        #expect(await cluster.reconcile().requests == update)
        #expect(cluster.condition("Suspended") == nil)
    }

    @Test func doesNotOverwriteALaterGenerationFromAnOldCache() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        var secret = try #require(cluster.secret)
        secret[["metadata", "annotations", OwnershipMetadata.sourceAnnotation]] = "u1/9"
        cluster.server["\(TestCluster.secrets)/db"] = secret
        try cluster.syncCaches()
        var object = try #require(cluster.object)
        object[["metadata", "generation"]] = 9
        cluster.server["\(TestCluster.objects)/db"] = object
        let run = await cluster.reconcile()
        #expect(run.outcome == .requeueRateLimited)
        #expect(run.requests == ["GET wrappedsecrets/db"])
        #expect(cluster.secret?[["metadata", "annotations", OwnershipMetadata.sourceAnnotation]] == "u1/9")
    }

    /// After a restore of etcd, the API server does not know the later generation any more.
    @Test func overwritesALaterGenerationThatTheServerDoesNotHave() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        var secret = try #require(cluster.secret)
        secret[["metadata", "annotations", OwnershipMetadata.sourceAnnotation]] = "u1/9"
        secret[["data", "password"]] = "bGF0ZXI="
        cluster.server["\(TestCluster.secrets)/db"] = secret
        try cluster.syncCaches()
        let run = await cluster.reconcile()
        #expect(run.outcome == .done)
        #expect(run.requests == ["GET wrappedsecrets/db", "GET wrappedsecrets/db"] + update)
        #expect(cluster.password == canary1)
        #expect(cluster.secret?[["metadata", "annotations", OwnershipMetadata.sourceAnnotation]] == "u1/3")
    }

    @Test func aStatusContainsNoValue() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        try await cluster.apply(["password": "canary-2"]) { $0[["metadata", "generation"]] = 4 }
        cluster.keys.fail(.accessDenied)
        _ = await cluster.reconcile()
        for request in cluster.transport.requests where request.path.hasSuffix("/status") {
            #expect(!request.text.contains("canary"))
            #expect(!request.text.contains("Y2FuYXJ5"))
        }
        for request in cluster.transport.requests { #expect(!request.line.contains("canary")) }
    }
}

extension WorkQueue.Outcome {
    /// Whether the object is queued again after a delay, without counting as a failure.
    var isRequeueAfter: Bool { if case .requeue = self { true } else { false } }
}
