import Envelope
import Foundation
import JSON
import KubeClient
import Resources
import System
import TestSupport
import Testing

@testable import Controller

/// The life of a Secret, step by step, with every request that is made.
@Suite struct ReconcilerTests {
    private let create = ["POST payments/secrets", "PATCH wrappedsecrets/db/status"]
    /// Of an object that was looked at before: what is there is worth a look.
    private let createAgain = [
        "GET secrets/db", "POST payments/secrets", "PATCH wrappedsecrets/db/status",
    ]
    /// The same of an object that was in sync, whose ciphertexts are not in memory any more.
    private let createAnew = [
        "GET secrets/db", "GET wrappedsecrets/db", "POST payments/secrets", "PATCH wrappedsecrets/db/status",
    ]
    private let update = ["PATCH secrets/db", "PATCH wrappedsecrets/db/status"]
    private let statusOnly = ["PATCH wrappedsecrets/db/status"]
    private let canary1 = "Y2FuYXJ5LTE="

    private func foreign(_ annotations: AnyJSON = [:]) -> AnyJSON {
        [
            "metadata": ["name": "db", "namespace": "payments", "annotations": annotations], "type": "Opaque",
            "data": ["old": "eA=="],
        ]
    }

    @Test func createsTheSecretAndSaysSo() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        let run = await cluster.reconcile()
        #expect(run.outcome == .done && run.requests == create)
        #expect(cluster.password == canary1)
        let status = try #require(cluster.object?["status"])
        #expect(cluster.reason == "Synced" && status["observedGeneration"] == 3)
        #expect(status[["secret", "uid"]] == cluster.secret?[["metadata", "uid"]])
        #expect(status[["secret", "resourceVersion"]] == cluster.secret?[["metadata", "resourceVersion"]])
        #expect(status["keyID"]?.string == cluster.keys.keyID)
    }

    /// Once, whether the watch has shown our writes or not: no KMS call, no write.
    @Test func doesNothingTwice() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        for _ in 0..<3 { #expect(await cluster.reconcile().requests == []) }
        try cluster.syncCaches()
        for _ in 0..<3 { #expect(await cluster.reconcile().requests == []) }
        #expect(cluster.keys.unwrapCount == 1)
    }

    @Test func aRestartInSyncTakesNoCall() async throws {
        let first = try await TestCluster.withWrappedSecret()
        _ = await first.reconcile()
        let second = try TestCluster()
        for path in ["\(TestCluster.objects)/db", "\(TestCluster.secrets)/db"] {
            second.server[path] = first.server[path]
        }
        // The copy has versions of its own.
        var object = try #require(second.object)
        object[["status", "secret", "resourceVersion"]] = second.secret?[["metadata", "resourceVersion"]]
        second.server["\(TestCluster.objects)/db"] = object
        try second.syncCaches()
        #expect(await second.reconcile().requests == [] && second.keys.unwrapCount == 0)
    }

    @Test func updatesTheSecret() async throws {
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

    @Test func repairsDrift() async throws {
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

    @Test func repairsADeletion() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        cluster.server["\(TestCluster.secrets)/db"] = nil
        try cluster.syncCaches()
        #expect(await cluster.reconcile().requests == createAnew)
        #expect(cluster.password == canary1)
    }

    /// The label that the watch selects by is gone, so the Secret looks deleted.
    @Test func findsASecretThatLostItsLabel() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        var secret = try #require(cluster.secret)
        secret[["metadata", "labels", OwnershipMetadata.managedLabel]] = nil
        cluster.server["\(TestCluster.secrets)/db"] = secret
        try cluster.syncCaches()
        let run = await cluster.reconcile()
        #expect(run.requests == ["GET secrets/db", "GET secrets/db"] + update)
        #expect(cluster.keys.unwrapCount == 1, "its data is as it was")
        #expect(cluster.secret?[["metadata", "labels", OwnershipMetadata.managedLabel]] == "true")
        try cluster.syncCaches()
        #expect(await cluster.reconcile().requests == [])
    }

    /// A Secret that the object owns under another name: as a rename leaves it, or as one that is not known here yet
    /// has just made it.
    private func addOwned(
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

    @Test func whatAnEarlierGenerationMadeUnderAnotherNameGoes() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        try addOwned("old", generation: 2, in: cluster)
        #expect(await cluster.reconcile().requests == ["GET wrappedsecrets/db", "DELETE secrets/old"])
        #expect(cluster.server["\(TestCluster.secrets)/old"] == nil && cluster.secret != nil)
    }

    /// The garbage collector does not see that an owner was deleted and made anew while it did not watch.
    @Test func whatAPredecessorMadeUnderAnotherNameGoes() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        try addOwned("old", by: "u0", generation: 7, in: cluster)
        #expect(await cluster.reconcile().requests == ["GET wrappedsecrets/db", "DELETE secrets/old"])
        #expect(cluster.server["\(TestCluster.secrets)/old"] == nil && cluster.secret != nil)
    }

    @Test func whatOthersOwnAsWellStays() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        let other: AnyJSON = ["apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u9"]
        try addOwned("old", by: "u0", generation: 7, [other], in: cluster)
        #expect(await cluster.reconcile().requests == [])
    }

    /// What looks like a predecessor's is the successor's, which is not known here yet.
    @Test func whatASuccessorMadeStays() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        try addOwned("new", by: "u2", generation: 1, in: cluster)
        var object = try #require(cluster.object)
        object[["metadata", "uid"]] = "u2"
        cluster.server["\(TestCluster.objects)/db"] = object
        #expect(await cluster.reconcile().requests == ["GET wrappedsecrets/db"])
        #expect(cluster.server["\(TestCluster.secrets)/new"] != nil)
    }

    /// Another instance, with a newer cache, has renamed the target.
    @Test func whatALaterGenerationMadeStays() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        try addOwned("new", generation: 4, in: cluster)
        #expect(await cluster.reconcile().requests == [])
        #expect(cluster.server["\(TestCluster.secrets)/new"] != nil)
    }

    @Test func nothingGoesWhileTheServerKnowsALaterGeneration() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        try addOwned("other", generation: 2, in: cluster)
        var object = try #require(cluster.object)
        object[["metadata", "generation"]] = 4
        cluster.server["\(TestCluster.objects)/db"] = object
        #expect(await cluster.reconcile().requests == ["GET wrappedsecrets/db"])
        #expect(cluster.server["\(TestCluster.secrets)/other"] != nil)
    }

    /// What opened the envelope is said, not what the status of another generation says.
    @Test func aNewTemplateReportsTheKeyThatOpenedIt() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        var object = try #require(cluster.object)
        let key = object[["status", "keyID"]]
        object[["metadata", "generation"]] = 4
        object[["status", "keyID"]] = "another"
        cluster.server["\(TestCluster.objects)/db"] = object
        try cluster.syncCaches()
        #expect(await cluster.reconcile().requests == update)
        #expect(key != nil && cluster.object?[["status", "keyID"]] == key)
    }

    @Test func leavesAForeignSecretAlone() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        cluster.server["\(TestCluster.secrets)/db"] = foreign()
        let run = await cluster.reconcile()
        #expect(run.outcome == .requeue(after: .seconds(20)))
        #expect(run.requests == ["POST payments/secrets", "GET secrets/db"] + statusOnly)
        #expect(cluster.secret?["data"] == ["old": "eA=="] && cluster.reason == "SecretConflict")
        #expect(cluster.condition("Reconciling")?["status"] == "True")
        #expect(
            await cluster.reconcile().requests == ["GET secrets/db"], "said once is enough, and costs no key")
    }

    @Test func adoptsWhatItIsGiven() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        cluster.server["\(TestCluster.secrets)/db"] = foreign(["secrets-bridge.io/allow": "adopt"])
        #expect(await cluster.reconcile().outcome == .done)
        #expect(cluster.secret?["data"] == ["password": .string(canary1)] && cluster.reason == "Synced")
        #expect(
            cluster.secret?[["metadata", "annotations", OwnershipMetadata.allowAnnotation]] == nil,
            "it is used up")
        try cluster.syncCaches()
        #expect(await cluster.reconcile().requests == [])
    }

    @Test func aKMSFailureLeavesTheSecretAsItIs() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        let before = cluster.secret
        try await cluster.apply(["password": "canary-2"]) { $0[["metadata", "generation"]] = 4 }
        cluster.keys.fail(.unavailable)
        let failed = await cluster.reconcile()
        #expect(failed.outcome == .requeueRateLimited && failed.requests == statusOnly)
        #expect(cluster.secret == before && cluster.reason == "KMSUnavailable")
        #expect(cluster.object?[["status", "secret", "generation"]] == 3, "what is known of it stays")
        #expect(await cluster.reconcile().requests == [], "the same again is not written again")
        try cluster.syncCaches()
        #expect(await cluster.reconcile().requests == [])
        cluster.keys.fail(nil)
        #expect(await cluster.reconcile().requests == update)
        #expect(cluster.reason == "Synced" && cluster.password == "Y2FuYXJ5LTI=")
    }

    @Test func aPermanentFailureWaitsForAChange() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        cluster.keys.fail(.invalidCiphertext)
        #expect(await cluster.reconcile().outcome.isRequeueAfter)
        #expect(cluster.reason == "DecryptFailed" && cluster.condition("Stalled")?["status"] == "True")
        #expect(cluster.secret == nil)
        try cluster.syncCaches()
        #expect(
            await cluster.reconcile().requests == [] && cluster.keys.unwrapCount == 1,
            "one try, not one an event")
        cluster.keys.fail(nil)
        try await cluster.apply { $0[["metadata", "generation"]] = 4 }
        #expect(await cluster.reconcile().requests == createAgain)
    }

    /// When the KMS serves again, what it kept waiting is due at once, and nothing else.
    @Test(arguments: [
        (KeyManagerError.Code.unavailable, 1), (.accessDenied, 1), (.keyUnavailable, 1),
        (.invalidCiphertext, 1),
    ])
    func aKMSThatIsBackWakesWhatWaits(code: KeyManagerError.Code, woken: Int) async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        let queue = cluster.informers.queue
        while queue.count > 0 { _ = await queue.processNext { _ in .done } }
        cluster.keys.fail(code)
        _ = await cluster.reconcile()
        cluster.informers.retryAfterKMSRecovery()
        #expect(queue.count == woken)
    }

    /// A failure is written into the status; the event of that is not to bring the object back at once.
    @Test func aStatusAloneWakesNobody() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        let queue = cluster.informers.queue
        while queue.count > 0 { _ = await queue.processNext { _ in .done } }
        cluster.keys.fail(.unavailable)
        _ = await cluster.reconcile()
        func event() throws -> WatcherEvent<WrappedSecret> {
            .applied(
                try JSONReader.read(
                    Decoded<WrappedSecret>.self, from: Array(try #require(cluster.object).data())))
        }
        cluster.informers.handle(try event())
        #expect(queue.count == 0)
        cluster.server["\(TestCluster.objects)/db"]?[["metadata", "generation"]] = 4
        cluster.informers.handle(try event())
        #expect(queue.count == 1)
    }

    /// Made and deleted while no watch was open, it stands in neither the old list nor the new one.
    @Test func aSecretThatCameAndWentUnseenIsMissed() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        let queue = cluster.informers.queue
        _ = await cluster.reconcile()
        while queue.count > 0 { _ = await queue.processNext { _ in .done } }
        cluster.server["\(TestCluster.secrets)/db"] = nil
        cluster.informers.handle(WatcherEvent<SecretMetadata>.initStarted)
        cluster.informers.handle(
            WatcherEvent<SecretMetadata>.initDone(resourceVersion: cluster.server.resourceVersion))
        #expect(queue.count == 1)
        #expect(await cluster.reconcile().requests == createAnew)
    }

    @Test func aCopyInAnotherNamespaceDoesNotOpen() async throws {
        let cluster = try TestCluster()
        let object = try await makeWrappedSecret(by: cluster.keys, namespace: "elsewhere")
        var json = object.json
        json[["metadata", "namespace"]] = "payments"
        cluster.server["\(TestCluster.objects)/db"] = json
        try cluster.syncCaches()
        #expect(await cluster.reconcile().outcome.isRequeueAfter)
        #expect(cluster.reason == "DecryptFailed" && cluster.secret == nil)
    }

    @Test func aMalformedObjectIsToldOnce() async throws {
        let cluster = try await TestCluster.withWrappedSecret { $0[["spec", "mac"]] = nil }
        #expect(await cluster.reconcile().requests == statusOnly)
        #expect(cluster.reason == "InvalidSpec")
        #expect(
            cluster.condition("Ready")?["message"] == "the object is malformed: spec.mac is missing")
        for _ in 0..<3 {
            try cluster.syncCaches()
            #expect(await cluster.reconcile().requests == [], "or the status would wake us for ever")
        }
        try await cluster.apply { $0[["metadata", "generation"]] = 4 }
        #expect(await cluster.reconcile().requests == createAgain)
    }

    /// The status of an object that was deleted and made again under our hands is not written.
    @Test func aLateStatusDoesNotLandOnAnotherObject() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        let server = cluster.server
        var successor = try #require(cluster.object)
        successor[["metadata", "uid"]] = "u2"
        let made = successor
        server.beforeNextRequest { _ in server["\(TestCluster.objects)/db"] = made }
        let run = await cluster.reconcile()
        #expect(run.outcome == .requeueRateLimited && run.requests == create)
        #expect(cluster.object?["status"] == nil)
        try cluster.syncCaches()
        #expect(await cluster.reconcile().requests == update)
        #expect(cluster.secret?[["metadata", "ownerReferences"]]?.items?.map { $0["uid"] } == ["u2"])
        #expect(cluster.reason == "Synced")
    }

    @Test func anObjectThatIsGoneIsNobodysBusiness() async throws {
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

    @Test func doesNothingToWhatIsBeingDeleted() async throws {
        let cluster = try await TestCluster.withWrappedSecret {
            $0[["metadata", "deletionTimestamp"]] = "2026-01-01T00:00:00Z"
        }
        let run = await cluster.reconcile()
        #expect(run.outcome == .done && run.requests == [])
        let malformed = try await TestCluster.withWrappedSecret {
            $0[["metadata", "deletionTimestamp"]] = "2026-01-01T00:00:00Z"
            $0[["spec", "mac"]] = nil
        }
        #expect(await malformed.reconcile().requests == [])
    }

    @Test func aConflictIsTriedAgain() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        try cluster.syncCaches()
        try await cluster.apply(["password": "canary-2"]) { $0[["metadata", "generation"]] = 4 }
        let server = cluster.server
        var other = try #require(cluster.secret)
        other[["metadata", "labels", "faster"]] = "1"
        let made = other
        server.beforeNextRequest { _ in server["\(TestCluster.secrets)/db"] = made }
        let run = await cluster.reconcile()
        #expect(run.outcome == .requeueRateLimited && run.requests == ["PATCH secrets/db"])
        try cluster.syncCaches()
        #expect(await cluster.reconcile().requests == update)
        #expect(cluster.secret?[["metadata", "labels", "faster"]] == "1")
    }

    @Test func aSecretThatGoesWhileItIsPatchedIsMadeAnew() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        try await cluster.apply(["password": "canary-2"]) { $0[["metadata", "generation"]] = 4 }
        let server = cluster.server
        server.beforeNextRequest { _ in server["\(TestCluster.secrets)/db"] = nil }
        #expect(await cluster.reconcile().outcome == .requeueRateLimited)
        try cluster.syncCaches()
        #expect(await cluster.reconcile().requests == createAgain)
        #expect(cluster.password == "Y2FuYXJ5LTI=")
    }

    /// Killed, or cut off, between the two writes: the next run finds the Secret and only has to say so.
    @Test func aStatusThatWasNotWrittenIsWrittenLater() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        cluster.server.failNext("PATCH", "/status", .status(500, "InternalError"))
        #expect(await cluster.reconcile().outcome == .requeueRateLimited)
        let made = cluster.secret
        #expect(await cluster.reconcile().requests == update)
        #expect(cluster.secret == made, "the patch changed nothing")
        #expect(cluster.keys.unwrapCount == 1, "what was opened is not opened again")
        #expect(cluster.reason == "Synced")
        #expect(await cluster.reconcile().requests == [])
    }

    @Test func immutableAndTypeAreRefusedWithAWayOut() async throws {
        let cluster = try await TestCluster.withWrappedSecret {
            $0[["spec", "template"]] = ["immutable": true]
        }
        _ = await cluster.reconcile()
        try await cluster.apply(["password": "canary-2"]) {
            $0[["metadata", "generation"]] = 4
            $0[["spec", "template"]] = ["immutable": true]
        }
        #expect(await cluster.reconcile().outcome == .backOff(from: .seconds(1)))
        #expect(cluster.reason == "ImmutableSecret" && cluster.password == canary1)
        try await cluster.apply { json in
            json[["metadata", "generation"]] = 5
            json[["spec", "template"]] = ["type": "example.com/other", "immutable": true]
        }
        #expect(await cluster.reconcile().outcome == .backOff(from: .seconds(1)))
        #expect(cluster.reason == "SecretTypeChanged")
    }

    /// The old Secret is deleted, the API server fails, and then the KMS does.
    @Test func recreatesAfterAnOutageOfTheKMSInTheMiddle() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        try cluster.syncCaches()
        try await cluster.apply(["password": "canary-2"]) {
            $0[["metadata", "generation"]] = 4
            $0[["spec", "template"]] = ["type": "example.com/other"]
            $0[["spec", "recreate"]] = true
        }
        cluster.server.failNext(
            "POST", "/secrets", FakeTransport.Response(201, #"{"metadata": {"name": "probe"}}"#))
        cluster.server.failNext("POST", "/secrets", .status(500, "InternalError"))
        #expect(await cluster.reconcile().outcome == .requeueRateLimited)
        #expect(cluster.secret == nil)
        cluster.keys.fail(.unavailable)
        #expect(
            await cluster.reconcile().outcome == .requeueRateLimited,
            "the cache is behind and shows the old Secret")
        try cluster.syncCaches()
        #expect(await cluster.reconcile().outcome == .done)
        #expect(cluster.password == "Y2FuYXJ5LTI=")
        #expect(cluster.secret?["type"] == "example.com/other")
    }

    /// A KMS that answered wrongly for a while serves another object.
    @Test func triesARefusedEnvelopeAgainWhenTheKMSServesAnother() async throws {
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
    ]) func refusalsAreTold(response: FakeTransport.Response, reason: String) async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        cluster.server.failNext("POST", "/secrets", response)
        #expect(await cluster.reconcile().outcome == .backOff(from: .seconds(1)))
        #expect(cluster.reason == reason)
        #expect(await cluster.reconcile().outcome == .done)
        #expect(cluster.keys.unwrapCount == 1, "what was opened is not opened again")
        #expect(cluster.reason == "Synced")
    }

    @Test func aTerminatingNamespaceIsQuiet() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        cluster.server.failNext(
            "POST", "/secrets",
            .status(
                403, "Forbidden", "being terminated",
                details: #"{"causes":[{"reason":"NamespaceTerminating"}]}"#))
        let run = await cluster.reconcile()
        #expect(run.outcome == .requeueRateLimited && run.requests == ["POST payments/secrets"])
    }

    @Test func suspendingTouchesNothing() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        let before = cluster.secret
        try await cluster.apply(["password": "canary-2"]) {
            $0[["metadata", "generation"]] = 4
            $0[["spec", "suspend"]] = true
        }
        let run = await cluster.reconcile()
        #expect(run.outcome == .done && run.requests == statusOnly)
        #expect(cluster.secret == before && cluster.reason == "Synced")
        #expect(cluster.condition("Suspended")?["status"] == "True")
        #expect(await cluster.reconcile().requests == [])
        try await cluster.apply(["password": "canary-2"]) { $0[["metadata", "generation"]] = 5 }
        #expect(await cluster.reconcile().requests == update)
        #expect(cluster.condition("Suspended") == nil)
    }

    @Test func aStaleCacheDoesNotOverwriteALaterGeneration() async throws {
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
        #expect(run.outcome == .requeueRateLimited && run.requests == ["GET wrappedsecrets/db"])
        #expect(cluster.secret?[["metadata", "annotations", OwnershipMetadata.sourceAnnotation]] == "u1/9")
    }

    /// After etcd was restored, the later generation is one that nobody knows any more.
    @Test func aSecretFromATimeThatNeverWasIsMadeAnew() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        var secret = try #require(cluster.secret)
        secret[["metadata", "annotations", OwnershipMetadata.sourceAnnotation]] = "u1/9"
        secret[["data", "password"]] = "bGF0ZXI="
        cluster.server["\(TestCluster.secrets)/db"] = secret
        try cluster.syncCaches()
        let run = await cluster.reconcile()
        #expect(
            run.outcome == .done
                && run.requests == ["GET wrappedsecrets/db", "GET wrappedsecrets/db"] + update)
        #expect(cluster.password == canary1)
        #expect(cluster.secret?[["metadata", "annotations", OwnershipMetadata.sourceAnnotation]] == "u1/3")
    }

    /// Nothing that is sent, but the data itself, holds a value.
    @Test func noValueIsInAStatus() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        try await cluster.apply(["password": "canary-2"]) { $0[["metadata", "generation"]] = 4 }
        cluster.keys.fail(.accessDenied)
        _ = await cluster.reconcile()
        for request in cluster.transport.requests where request.path.hasSuffix("/status") {
            #expect(!request.text.contains("canary") && !request.text.contains("Y2FuYXJ5"))
        }
        for request in cluster.transport.requests { #expect(!request.line.contains("canary")) }
    }
}

extension WorkQueue.Outcome {
    /// Whether it is tried again after a while, without counting as a failure.
    var isRequeueAfter: Bool { if case .requeue = self { true } else { false } }
}
