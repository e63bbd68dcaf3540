import Controller
import Envelope
import KubeClient
import Resources
import Testing

/// What arrives late, and what is known late.
@Suite("Races", .onRealServers)
struct RaceTests {
    @Test("A status that arrives after its object was deleted and made again does not land on the new one")
    func lateStatus() async throws {
        try await TestNamespace.withShared { namespace in
            var gate: RecordingTransport.Gate?
            try await RunningController.with(
                namespace,
                prepare: { gate = $0.hold { $0.method == "PATCH" && $0.path.hasSuffix("/db/status") } }
            ) { _ in
                let gate = try #require(gate)
                try await namespace.apply("db", ["k": "old"])
                try await eventually("the status is on its way") { gate.held == 1 }
                try await namespace.kubectl("delete", "wsec", "db")
                let next = try await namespace.apply("db", ["k": "new"])
                gate.open()
                let object = try await namespace.reconciled("db")
                #expect(object.metadata.uid == next.uid)
                // What was said of the old one would be of other values.
                try await eventually("the status is of the new object alone") {
                    let object = try await namespace.wrappedSecret("db")
                    return object.status?.secret?.mac == object.spec.envelope.mac
                }
                try await namespace.secret("db", until: "has the new value") { $0.values == ["k": "new"] }
            }
        }
    }

    /// Lists that come page by page, and lists that come as a stream of events.
    @Test(
        "One whose cache is behind does not overwrite what a later one has made of a later state",
        arguments: [false, true])
    func staleCache(streamed: Bool) async throws {
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
                try await eventually("it hears no more of WrappedSecrets") { gate.held >= 1 }
                let pages = stale.transport.count { $0.isList(of: "wrappedsecrets") }
                #expect(!streamed || pages == 0, "no page was asked for")
                let made = try #require(try await namespace.secret("db"))
                // The stale one hears of this, and takes the Secret for another's work on generation 1.
                let before = looks(stale)
                try await namespace.kubectl("annotate", "secret", "db", "example.org/look=here")
                try await eventually("it looks for a newer state") { looks(stale) > before }
                let secret = try #require(try await namespace.secret("db"))
                #expect(secret.values == ["k": "2"])
                #expect(
                    secret.metadata.annotations?[OwnershipMetadata.sourceAnnotation]
                        == made.metadata.annotations?[OwnershipMetadata.sourceAnnotation]
                )

                gate.open()
                try await namespace.apply("db", ["k": "3"])
                try await namespace.reconciled("db")
                #expect(try await namespace.secret("db")?.values == ["k": "3"])
            }
        }
    }

    /// How often it has read the object from the API server.
    private func looks(_ controller: RunningController) -> Int {
        controller.transport.count { $0.method == "GET" && $0.path.hasSuffix("/wrappedsecrets/db") }
    }
}
