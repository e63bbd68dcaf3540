import Controller
import Envelope
import KubeClient
import Resources
import Testing

/// Late requests and stale caches.
@Suite(.onRealServers)
struct RaceTests {
    @Test func aLateStatusDoesNotReachARecreatedObject() async throws {
        try await TestNamespace.withShared { namespace in
            var gate: RecordingTransport.Gate?
            try await RunningController.with(
                namespace,
                prepare: { gate = $0.hold { $0.method == "PATCH" && $0.path.hasSuffix("/db/status") } }
            ) { _ in
                let gate = try #require(gate)
                try await namespace.apply("db", ["k": "old"])
                try await eventually("the status write is held") { gate.held == 1 }
                try await namespace.kubectl("delete", "wsec", "db")
                let next = try await namespace.apply("db", ["k": "new"])
                gate.open()
                let object = try await namespace.reconciled("db")
                #expect(object.metadata.uid == next.uid)
                // The status of the old object would describe other values.
                try await eventually("the status describes only the new object") {
                    let object = try await namespace.wrappedSecret("db")
                    return object.status?.secret?.mac == object.spec.envelope.mac
                }
                try await namespace.secret("db", until: "has the new value") { $0.values == ["k": "new"] }
            }
        }
    }

    /// Lists arrive in pages or as a stream of events.
    @Test(arguments: [false, true])
    func aStaleReplicaDoesNotOverwriteALaterState(streamed: Bool) async throws {
        try await TestNamespace.withShared { namespace in
            try await namespace.apply("db", ["k": "1"])
            var gate: RecordingTransport.Gate?
            try await RunningController.with(
                namespace,
                prepare: {
                    if streamed { $0.streamLists() }
                    gate = $0.holdBodies { $0.isWatch && $0.path.hasSuffix("/wrappedsecrets") }
                }
            ) { stale in
                let gate = try #require(gate)
                try await namespace.reconciled("db")
                try await stale.catchUp(namespace)
                gate.close()
                try await RunningController.with(namespace) { _ in
                    try await namespace.apply("db", ["k": "2"])
                    try await eventually("the Secret has the later value") {
                        try await namespace.secret("db")?.values == ["k": "2"]
                    }
                    try await namespace.reconciled("db")
                }
                try await eventually("its watch of WrappedSecrets is held") { gate.held >= 1 }
                let pages = stale.transport.count { $0.isList(of: "wrappedsecrets") }
                #expect(!streamed || pages == 0, "no page was requested")
                let later = try #require(try await namespace.secret("db"))
                // The stale replica sees this Secret as the work of another replica on generation 1.
                let before = reads(stale)
                try await namespace.kubectl("annotate", "secret", "db", "example.org/look=here")
                try await eventually("it reads the newer state") { reads(stale) > before }
                let secret = try #require(try await namespace.secret("db"))
                #expect(secret.values == ["k": "2"])
                #expect(
                    secret.metadata.annotations?[OwnershipMetadata.sourceAnnotation]
                        == later.metadata.annotations?[OwnershipMetadata.sourceAnnotation]
                )

                gate.open()
                try await namespace.apply("db", ["k": "3"])
                try await namespace.reconciled("db")
                #expect(try await namespace.secret("db")?.values == ["k": "3"])
            }
        }
    }

    /// The garbage collector removes the owner reference, and the watch of Secrets shows that first. With its reference back, the
    /// Secret would be deleted after its object.
    @Test func doesNotOwnASecretAgainThatADeletionBehindTheWatchOrphaned() async throws {
        try await TestNamespace.withShared { namespace in
            var gate: RecordingTransport.Gate?
            try await RunningController.with(
                namespace,
                prepare: { gate = $0.holdBodies { $0.isWatch && $0.path.hasSuffix("/wrappedsecrets") } }
            ) { controller in
                let gate = try #require(gate)
                try await namespace.apply("db", ["k": "1"])
                try await namespace.reconciled("db")
                try await controller.catchUp(namespace)
                let uid = try #require(try await namespace.secret("db")).metadata.uid
                gate.close()
                let before = reads(controller)
                try await namespace.kubectl("delete", "wsec", "db", "--cascade=orphan")
                try await eventually("it reads the object") { reads(controller) > before }
                let orphan = try #require(try await namespace.secret("db"))
                #expect(orphan.metadata.ownerReferences ?? [] == [])

                gate.open()
                try await namespace.apply("db", ["k": "1"])
                try await namespace.reconciled("db")
                let taken = try #require(try await namespace.secret("db"))
                #expect(taken.metadata.uid == uid)
                #expect(taken.metadata.ownerReferences?.map(\.name) == ["db"])
            }
        }
    }

    /// Returns how often the controller has read the object from the API server.
    private func reads(_ controller: RunningController) -> Int {
        controller.transport.count { $0.method == "GET" && $0.path.hasSuffix("/wrappedsecrets/db") }
    }
}
