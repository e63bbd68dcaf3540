import Controller
import Foundation
import KMS
import KubeClient
import Resources
import TestSupport
import Testing

/// The metrics and the health of the executable with a real API server.
@Suite(.onRealServers, .serialized)
struct MetricsTests {
    private func withController(
        _ body: (TestNamespace, ControllerProgram, StatusClient) async throws -> Void
    ) async throws {
        try await TestNamespace.withShared { namespace in
            try await ControllerProgram.with(namespace, ["SB_WRAP_MASTER_KEY": namespace.masterKey]) {
                try await body(namespace, $0, try $0.status())
            }
        }
    }

    /// The controller runs without a lease; the label has the name that it would use.
    private func lease(_ namespace: TestNamespace) -> String {
        #"lease="\#(LeaseName.name(namespaces: [namespace.name], labelSelector: nil))""#
    }

    private func objects(_ ready: String, _ reason: Reason, _ namespace: TestNamespace) -> String {
        #"secretsbridge_wrappedsecrets{ready="\#(ready)",reason="\#(reason.rawValue)",\#(lease(namespace))}"#
    }

    @Test func countsObjectsAndRequestsAndDropsTheSeriesOfDeletedObjects() async throws {
        try await withController { namespace, _, status in
            let count = 25
            let names = (0..<count).map { "db-\($0)" }
            try await namespace.applyAll(names) { $0 }
            for name in names { try await namespace.reconciled(name) }
            let unwraps = #"secretsbridge_kms_items_total{backend="local",operation="unwrap"}"#
            // The self-test adds one.
            #expect((count...count + 1).contains(Int(try await status.metric(unwraps) ?? 0)))
            try await namespace.kubectl("create", "secret", "generic", "foreign", "--from-literal=k=v")
            try await namespace.apply("foreign", ["k": "ours"])
            try await namespace.reconciled("foreign", .secretConflict)

            try await eventually("the metrics are complete") {
                let page = try await status.metrics()
                return page.contains("\(objects("True", .synced, namespace)) \(count)\n")
                    && page.contains("\(objects("False", .secretConflict, namespace)) 1\n")
            }
            let byKey =
                #"secretsbridge_wrapped_by_key{key_id="\#(namespace.key.keyID)",key_version="",\#(lease(namespace))}"#
            #expect(try await status.metric(byKey) == Double(count))
            let refused = #"secretsbridge_reconcile_total{result="failure",reason="SecretConflict"}"#
            #expect(try await status.metric(refused) ?? 0 >= 1)
            let created = #"secretsbridge_api_requests_total{verb="create",resource="secrets",code="201"}"#
            #expect(try await status.metric(created) == Double(count))
            let patched =
                #"secretsbridge_api_requests_total{verb="patch",resource="wrappedsecrets/status",code="200"}"#
            #expect(try await status.metric(patched) == Double(count) + 1)
            #expect(try await status.metric("secretsbridge_workqueue_depth") == 0)
            #expect(try await status.metric("secretsbridge_workqueue_adds_total") ?? 0 >= Double(count + 1))
            #expect(try await status.metric("secretsbridge_leader{\(lease(namespace))}") == 1)
            #expect(try await status.metric("process_open_fds") ?? 0 > 5)
            #expect(try await status.metric("process_resident_memory_bytes") ?? 0 > 1_000_000)

            if let path = ProcessInfo.processInfo.environment["SB_TEST_METRICS_PAGE"] {
                // Tests/Monitoring reads these series.
                try await status.metrics().write(toFile: path, atomically: true, encoding: .utf8)
            }

            try await namespace.kubectl("delete", "wsec", "--all", "--wait=false")
            try await eventually("the series are removed") {
                let page = try await status.metrics()
                return !page.contains("secretsbridge_wrappedsecrets{")
                    && !page.contains("secretsbridge_wrapped_by_key{")
            }
        }
    }

    @Test func healthzRespondsAtOnceAndReadyzOnceTheCachesAreComplete() async throws {
        try await TestNamespace.withShared { namespace in
            // No server listens there.
            let folder = try TemporaryFolder()
            defer { withExtendedLifetime(folder) {} }
            let kubeconfig = folder.path("kubeconfig")
            let real = try String(contentsOfFile: namespace.cluster.kubeconfig, encoding: .utf8)
            try real.replacing(#/server: "[^"]+"/#, with: #"server: "https://127.0.0.1:9""#).write(
                toFile: kubeconfig, atomically: true, encoding: .utf8)
            let program = try Program(
                try Settings.required().binary,
                ["controller", "--kubeconfig", kubeconfig, "--metrics-address", "127.0.0.1:0"],
                environment: ["SB_WRAP_MASTER_KEY": namespace.masterKey])
            try await eventually("it listens") { program.errors.contains("serving metrics and health") }
            let status = try StatusClient(log: program.errors)
            #expect(try await status.get("/healthz") == (200, "alive\n"))
            try await eventually("it reports that no server responds") {
                let (code, text) = try await status.get("/readyz")
                return code == 503 && text.contains("caches not complete: wrappedsecrets, secrets")
                    && text.contains("API server unreachable since") && text.contains(": transport")
            }
            #expect(try await status.get("/healthz").status == 200, "a restart would not help")
            #expect(try await status.metric("secretsbridge_workqueue_depth") == 0)
            program.signal(SIGTERM)
            #expect(try await program.outcome().status == 0)
            withExtendedLifetime(folder) {}
        }
        try await withController { _, _, status in
            try await eventually("it is ready") { try await status.get("/readyz") == (200, "ready\n") }
        }
    }

    @Test func refusesAnAddressInUseAndAnInvalidOneAndServesNothingWhenOff() async throws {
        try await withController { namespace, _, status in
            func start(_ address: String) async throws -> Program.Outcome {
                try await Program(
                    try Settings.required().binary,
                    [
                        "controller", "--kubeconfig", namespace.cluster.kubeconfig, "--metrics-address",
                        address,
                    ],
                    environment: ["SB_WRAP_MASTER_KEY": namespace.masterKey]
                ).outcome()
            }
            let taken = try await start("127.0.0.1:\(status.port)")
            #expect(taken.status == 1)
            #expect(
                taken.errors
                    == "error: cannot serve on --metrics-address 127.0.0.1:\(status.port): port \(status.port) "
                    + "is in use by another program; choose another port\n")
            let nonsense = try await start("localhost:http")
            #expect(nonsense.status == 64)
            #expect(nonsense.errors.contains("localhost:http"))
        }
        try await TestNamespace.withShared { namespace in
            let settings = ["SB_WRAP_MASTER_KEY": namespace.masterKey]
            try await ControllerProgram.with(namespace, settings, ["--metrics-address", "off"]) {
                #expect(!$0.log.contains("serving metrics"))
            }
        }
    }
}
