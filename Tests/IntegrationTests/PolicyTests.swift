import Controller
import KubeClient
import Resources
import Testing

/// What a WrappedSecret or its operator asks for beyond the Secret itself.
@Suite("Policies", .onRealServers, .serialized)
struct PolicyTests {
    @Test("An orphan outlives its WrappedSecret, is taken over by the next one, and can be owned again")
    func orphan() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                var manifest = try await namespace.wrap("db", ["k": "1"])
                manifest.spec.creationPolicy = "Orphan"
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
                let secret = try #require(try await namespace.secret("db"))
                #expect(secret.metadata.ownerReferences == nil)
                try await namespace.kubectl("patch", "secret", "db", "-p", #"{"stringData":{"k":"other"}}"#)
                try await namespace.secret("db", until: "is repaired") { $0.values == ["k": "1"] }

                try await namespace.kubectl("delete", "wsec", "db")
                try await controller.catchUp(namespace)
                #expect(try await namespace.secret("db")?.metadata.uid == secret.metadata.uid)

                var next = try await namespace.wrap("db", ["k": "2"])
                next.spec.creationPolicy = "Orphan"
                try await namespace.apply(next)
                try await namespace.reconciled("db")
                let taken = try #require(try await namespace.secret("db"))
                #expect(taken.metadata.uid == secret.metadata.uid)
                #expect(taken.values == ["k": "2"])

                let unwraps = controller.key.unwraps(of: "db")
                next.spec.creationPolicy = "Owner"
                let object = try await namespace.apply(next)
                try await namespace.reconciled("db")
                let owned = try #require(try await namespace.secret("db"))
                #expect(owned.metadata.ownerReferences?.map(\.uid) == [object.uid ?? ""])
                #expect(owned.metadata.annotations?[OwnershipMetadata.creationPolicyAnnotation] == nil)
                #expect(controller.key.unwraps(of: "db") == unwraps)
            }
        }
    }

    @Test("The target gets another name: the new Secret comes first, then the old one goes")
    func rename() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                func named(_ name: String) -> Manifest.Template { .init(metadata: .init(name: name)) }
                try await namespace.apply(try await namespace.wrap("db", ["k": "1"], template: named("old")))
                try await namespace.reconciled("db")
                try await namespace.apply(try await namespace.wrap("other", ["k": "1"]))
                try await namespace.reconciled("other")
                let gate = controller.transport.hold { $0.method == "POST" && $0.path.hasSuffix("/secrets") }
                try await namespace.apply(try await namespace.wrap("db", ["k": "2"], template: named("new")))
                try await eventually("the new Secret is on its way") { gate.held == 1 }
                #expect(try await namespace.secret("old") != nil)
                gate.open()
                try await namespace.reconciled("db")
                #expect(try await namespace.secret("new")?.values == ["k": "2"])
                try await eventually("the old Secret goes") { try await namespace.secret("old") == nil }
                #expect(try await namespace.secret("other") != nil)
            }
        }
    }

    @Test("A sync that is asked for opens the ciphertext again, once")
    func forcedSync() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                try await namespace.apply("db", ["k": "1"])
                try await namespace.reconciled("db")
                try await controller.catchUp(namespace)
                try await namespace.kubectl(
                    "annotate", "wsec", "db", "\(OwnershipMetadata.syncAnnotation)=one")
                try await eventually("the sync is answered") {
                    try await namespace.wrappedSecret("db").status?.lastHandledSync == "one"
                }
                try await controller.catchUp(namespace)
                #expect(controller.key.unwraps(of: "db") == 2)
                try await namespace.kubectl("annotate", "wsec", "db", "\(OwnershipMetadata.syncAnnotation)-")
                try await controller.catchUp(namespace)
                #expect(controller.key.unwraps(of: "db") == 2)
            }
        }
    }

    @Test("The operator's labels are on every Secret; what the operator denies, no template may set")
    func operatorRules() async throws {
        try await TestNamespace.withShared { namespace in
            let first = try await namespace.wrap(
                "db", ["k": "1"], template: .init(metadata: .init(labels: ["team": "a", "env": "mine"])))
            try await RunningController.with(namespace) { _ in
                try await namespace.apply(first)
                try await namespace.reconciled("db")
            }
            try await RunningController.with(namespace, adjust: { $0.policy.labels = ["env": "prod"] }) {
                controller in
                try await namespace.secret("db", until: "has the operator's label") {
                    $0.metadata.labels?["env"] == "prod" && $0.metadata.labels?["team"] == "a"
                }
                try await namespace.apply(
                    try await namespace.wrap(
                        "far", ["k": "1"],
                        template: .init(
                            metadata: .init(annotations: ["reflector.v1.k8s.emberstack.com/reflects": "x/y"]))
                    ))
                let message = try await namespace.reconciled("far", .invalidSpec).status?.condition(.ready)?
                    .message
                #expect(message?.contains("reflector.v1.k8s.emberstack.com/reflects") == true)
                #expect(controller.key.unwraps(of: "far") == 0 && controller.key.unwraps(of: "db") == 0)
            }
        }
    }

    @Test("recreate: a new type and new immutable data make a new Secret, once the API server would take it")
    func recreate() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                var manifest = try await namespace.wrap("db", ["k": "1"], template: .init(immutable: true))
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
                let first = try #require(try await namespace.secret("db"))

                manifest = try await namespace.wrap("db", ["k": "2"], template: .init(immutable: true))
                try await namespace.apply(manifest)
                let message = try await namespace.reconciled("db", .immutableSecret).status?.condition(
                    .ready)?
                    .message
                #expect(message?.contains("spec.recreate") == true)
                #expect(try await namespace.secret("db")?.values == ["k": "1"])
                manifest.spec.recreate = true
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
                let second = try #require(try await namespace.secret("db"))
                #expect(second.values == ["k": "2"] && second.immutable == true)
                #expect(second.metadata.uid != first.metadata.uid)

                // The same envelope under another type: the patch without data is what is refused.
                manifest.spec.template = .init(type: "example.org/other")
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
                let third = try #require(try await namespace.secret("db"))
                #expect(third.type == "example.org/other" && third.values == ["k": "2"])

                // While nobody may make such a Secret, the one that works stays.
                try await namespace.withDeniedSecretCreation(label: "guarded") {
                    manifest.spec.template = .init(
                        metadata: .init(labels: ["guarded": namespace.name]), type: "example.org/third")
                    try await namespace.apply(manifest)
                    try await eventually("it is tried") {
                        controller.transport.count { $0.query.contains("dryRun=All") } >= 3
                    }
                    try await controller.catchUp(namespace)
                    #expect(try await namespace.secret("db")?.metadata.uid == third.metadata.uid)
                }
                try await namespace.reconciled("db")
                #expect(try await namespace.secret("db")?.type == "example.org/third")
            }
        }
    }

    @Test("A webhook that cannot be asked is named once it has lasted; when it is gone, the Secret is made")
    func brokenAdmission() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                try await namespace.withDeniedSecretCreation(label: "guarded") {
                    let manifest = try await namespace.wrap(
                        "db", ["k": "1"],
                        template: .init(metadata: .init(labels: ["guarded": namespace.name])))
                    try await namespace.apply(manifest)
                    let object = try await namespace.reconciled("db", .apiServerError)
                    let message = object.status?.condition(.ready)?.message ?? ""
                    #expect(message.contains("admission webhook closed.example.org"), "\(message)")
                    #expect(object.status?.condition(.reconciling)?.status == "True")
                    #expect(try await namespace.secret("db") == nil)
                    #expect(controller.log.lines.contains { $0.contains("reason=APIServerError") })
                }
                try await namespace.reconciled("db")
                #expect(try await namespace.secret("db")?.values == ["k": "1"])
            }
        }
    }
}
