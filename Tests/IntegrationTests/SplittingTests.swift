import Controller
import Foundation
import KubeClient
import Resources
import TestSupport
import Testing

/// Controllers with different watch scopes in one cluster.
@Suite(.onRealServers, .serialized)
struct SplittingTests {
    @Test func servesTwoNamespacesWithNamespacedRoles() async throws {
        try await TestNamespace.withShared { first in
            try await TestNamespace.with(first.cluster) { second in
                try await TestNamespace.with(first.cluster) { third in
                    try await first.installNamespacedRole()
                    try await second.installNamespacedRole()
                    try await first.cluster.allowLease(
                        LeaseName.name(namespaces: [first.name, second.name], labelSelector: nil),
                        to: "split")
                    let folder = try TemporaryFolder()
                    defer { withExtendedLifetime(folder) {} }
                    let kubeconfig = folder.path("kubeconfig")
                    try await first.cluster.script("kubeconfig-for", "secrets-bridge", "split", kubeconfig)
                    let program = try Program(
                        try Settings.required().binary,
                        [
                            "controller", "--kubeconfig", kubeconfig, "--metrics-address", "off",
                            "--watch-namespace",
                            first.name, "--watch-namespace", "\(second.name),\(first.name)", "--leader-elect",
                            "--leader-elect-namespace", "secrets-bridge",
                        ], environment: ["SB_WRAP_MASTER_KEY": first.masterKey])
                    for namespace in [first, second, third] {
                        try await namespace.apply("db", ["k": "1"], with: first.key)
                    }
                    for namespace in [first, second] {
                        try await namespace.reconciled("db")
                        try await namespace.apply("db", ["k": "2"], with: first.key)
                        try await namespace.secret("db", until: "is updated") { $0.values == ["k": "2"] }
                        try await namespace.kubectl("delete", "secret", "db")
                        try await namespace.secret("db", until: "is restored") { $0.values == ["k": "2"] }
                        try await eventually("the events are sent") {
                            try await namespace.kubectl("get", "events").contains("Repaired")
                        }
                    }
                    #expect(try await third.wrappedSecret("db").status?.condition(.ready) == nil)
                    #expect(!program.errors.contains("forbidden"), "\(program.errors)")
                    program.signal(SIGTERM)
                    #expect(try await program.outcome().status == 0)
                }
            }
        }
    }

    @Test func servesOneNamespaceWhileAnotherIsForbidden() async throws {
        try await TestNamespace.withShared { first in
            try await TestNamespace.with(first.cluster) { second in
                try await first.installNamespacedRole()
                let folder = try TemporaryFolder()
                defer { withExtendedLifetime(folder) {} }
                let kubeconfig = folder.path("kubeconfig")
                try await first.cluster.script("kubeconfig-for", "secrets-bridge", "split", kubeconfig)
                try await RunningController.with(
                    first, kubeconfig: kubeconfig, adjust: { $0.namespaces = [first.name, second.name] }
                ) { controller in
                    try await first.apply("db", ["k": "1"])
                    try await first.reconciled("db")
                    try await second.apply("db", ["k": "1"], with: first.key)
                    try await second.installNamespacedRole()
                    try await second.reconciled("db")
                    for resource in ["secrets", "wrappedsecrets"] {
                        let lines = controller.log.lines.filter {
                            $0.contains("namespace=\(second.name)") && $0.contains("resource=\(resource)")
                        }
                        #expect(lines.count { $0.hasPrefix("warning watch interrupted") } == 1, "\(lines)")
                        #expect(lines.count { $0.hasPrefix("info watch recovered") } == 1, "\(lines)")
                    }
                }
            }
        }
    }

    @Test func servesOnlyItsLabelsAndHandsOverRelabelledObjectsWithoutWork() async throws {
        try await TestNamespace.withShared { namespace in
            func label(_ name: String, _ team: String) async throws {
                try await namespace.kubectl("label", "wsec", name, "team=\(team)", "--overwrite")
            }
            try await RunningController.with(namespace, adjust: { $0.selection.labelSelector = "team=a" }) {
                first in
                try await RunningController.with(
                    namespace, adjust: { $0.selection.labelSelector = "team=b" }
                ) { second in
                    for (name, team) in [("one", "a"), ("two", "b")] {
                        try await namespace.apply(name, ["k": name])
                        try await label(name, team)
                        try await namespace.reconciled(name)
                    }
                    try await namespace.apply("unlabelled", ["k": "v"])
                    for name in ["one", "two"] {
                        try await namespace.kubectl("delete", "secret", name)
                        try await namespace.secret(name, until: "is restored") { $0.values == ["k": name] }
                        try await namespace.reconciled(name)
                    }
                    #expect(first.key.unwraps(of: "one") == 2)
                    #expect(first.key.unwraps(of: "two") == 0)
                    #expect(second.key.unwraps(of: "two") == 2)
                    #expect(second.key.unwraps(of: "one") == 0)

                    let version = try await namespace.secret("one")?.metadata.resourceVersion
                    try await label("one", "b")
                    // The last change that the second sees comes after it.
                    try await namespace.apply("fence", ["k": "v"])
                    try await label("fence", "b")
                    try await namespace.reconciled("fence")
                    #expect(try await namespace.secret("one")?.metadata.resourceVersion == version)
                    #expect(second.key.unwraps(of: "one") == 0)
                    try await namespace.kubectl("delete", "secret", "one")
                    try await namespace.secret("one", until: "is restored") { $0.values == ["k": "one"] }
                    #expect(second.key.unwraps(of: "one") == 1)
                    #expect(first.key.unwraps(of: "one") == 2)
                    #expect(try await namespace.wrappedSecret("unlabelled").status?.condition(.ready) == nil)
                }
            }
        }
    }

    @Test(arguments: [
        (["--watch-namespace", "Payments"], "is not a valid namespace name"),
        (["--watch-namespace", "a,,b"], "is not a valid namespace name"),
        (["--label-selector", "team in payments"], "--label-selector"),
        (["--leader-elect-renew-deadline", "20s"], "shorter than the lease duration"),
        (["--leader-elect-lease-duration", "1500ms"], "whole seconds"),
        (["--leader-elect-retry-period", "soon"], "is not a duration"),
        (["--log-format", "xml"], "log-format"),
    ])
    func refusesInvalidOptionsAtTheStart(arguments: [String], expected: String) async throws {
        let outcome = try await Program(
            try Settings.required().binary, ["controller"] + arguments,
            environment: ["SB_WRAP_MASTER_KEY": "AAAA"]
        ).outcome()
        #expect(outcome.status == 64)
        #expect(outcome.errors.contains(expected), "\(outcome.errors)")
    }
}
