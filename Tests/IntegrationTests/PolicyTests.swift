import Controller
import KubeClient
import Resources
import Testing

/// The policies of a WrappedSecret and of the operator.
@Suite(.onRealServers, .serialized)
struct PolicyTests {
    @Test func anOrphanOutlivesItsWrappedSecretAndCanBeOwnedAgain() async throws {
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

    @Test func createsTheNewSecretBeforeItDeletesTheRenamedOne() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                func named(_ name: String) -> Manifest.Template { .init(metadata: .init(name: name)) }
                try await namespace.apply(try await namespace.wrap("db", ["k": "1"], template: named("old")))
                try await namespace.reconciled("db")
                try await namespace.apply(try await namespace.wrap("other", ["k": "1"]))
                try await namespace.reconciled("other")
                let gate = controller.transport.hold { $0.method == "POST" && $0.path.hasSuffix("/secrets") }
                try await namespace.apply(try await namespace.wrap("db", ["k": "2"], template: named("new")))
                try await eventually("the request for the new Secret is held") { gate.held == 1 }
                #expect(try await namespace.secret("old") != nil)
                gate.open()
                try await namespace.reconciled("db")
                #expect(try await namespace.secret("new")?.values == ["k": "2"])
                try await eventually("the old Secret is deleted") { try await namespace.secret("old") == nil }
                #expect(try await namespace.secret("other") != nil)
            }
        }
    }

    @Test func aRequestedSyncUnwrapsOnce() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                try await namespace.apply("db", ["k": "1"])
                try await namespace.reconciled("db")
                try await controller.catchUp(namespace)
                try await namespace.kubectl(
                    "annotate", "wsec", "db", "\(OwnershipMetadata.syncAnnotation)=one")
                try await eventually("the sync is handled") {
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

    @Test func appliesTheLabelsAndDenialsOfTheOperator() async throws {
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
                #expect(controller.key.unwraps(of: "far") == 0)
                #expect(controller.key.unwraps(of: "db") == 0)
            }
        }
    }

    @Test func recreatesASecretWithANewTypeOrImmutableDataOnceItIsAccepted() async throws {
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
                #expect(second.values == ["k": "2"])
                #expect(second.immutable == true)
                #expect(second.metadata.uid != first.metadata.uid)

                // The same envelope with another type: the API server refuses the patch without data.
                manifest.spec.template = .init(type: "example.org/other")
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
                let third = try #require(try await namespace.secret("db"))
                #expect(third.type == "example.org/other")
                #expect(third.values == ["k": "2"])

                // While such a Secret cannot be created, the present one stays.
                try await namespace.withDeniedSecretCreation(label: "guarded") {
                    manifest.spec.template = .init(
                        metadata: .init(labels: ["guarded": namespace.name]), type: "example.org/third")
                    try await namespace.apply(manifest)
                    try await eventually("the dry run is sent") {
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

    @Test func namesAnUnreachableWebhookAfterAWhileAndRecovers() async throws {
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
