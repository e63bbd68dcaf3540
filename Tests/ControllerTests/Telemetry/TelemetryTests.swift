import Envelope
import HTTP
import KubeClient
import Logging
import Resources
import Serving
import System
import TestSupport
import Testing

@testable import Controller

/// Tests that observations appear on the metrics page.
@Suite struct TelemetryTests {
    private let telemetry = Telemetry(version: "test", lease: "a")

    private var page: String { telemetry.page(AdminRequest(path: "/metrics")).text }

    @Test func countsKMSRequestsAndItems() {
        func request(
            _ items: Int, _ failures: [KeyManagerError.Code], keyID: String = "vault-transit:transit/a"
        ) {
            KeyManagerRequest(.unwrap, keyID: keyID, items: items, observer: telemetry.kmsObserver).complete(
                failures)
        }
        request(200, [])
        request(3, [.invalidCiphertext, .invalidCiphertext])
        request(1, [.unavailable])
        request(1, [], keyID: "arn:aws:kms:eu-west-1:111122223333:key/k")
        let labels = #"{backend="vault-transit",operation="unwrap"}"#
        #expect(sample(page, "secretsbridge_kms_requests_total\(labels)") == 3)
        #expect(sample(page, "secretsbridge_kms_items_total\(labels)") == 204)
        #expect(sample(page, "secretsbridge_kms_request_duration_seconds_count\(labels)") == 3)
        let errors = #"secretsbridge_kms_errors_total{backend="vault-transit",operation="unwrap",code="#
        #expect(sample(page, errors + #""invalidCiphertext"}"#) == 2)
        #expect(sample(page, errors + #""unavailable"}"#) == 1)
        #expect(
            sample(page, #"secretsbridge_kms_requests_total{backend="aws-kms",operation="unwrap"}"#) == 1)
        #expect(!page.contains("111122223333"))
    }

    @Test func apiRequestsDetermineReadiness() async throws {
        let answers = Locked<[FakeTransport.Response]>([
            .status(404, "NotFound"), .status(503, "ServiceUnavailable"), .init(200, "{}"),
        ])
        let transport = FakeTransport { _ in answers.withLock { $0.removeFirst() } }
        let cluster = ClusterConfiguration(server: "https://api.test")
        let client = KubeClient(
            connection: APIConnection(cluster, transport: transport, observer: telemetry.apiObserver)
        ) { _ in }
        telemetry.health.setProbes(caches: { [] }, work: { nil })
        let ref = ObjectRef(namespace: "payments", name: "very-secret-name")
        func delete() async throws { try await client.delete(.secrets, ref) }
        await #expect(throws: KubeError.self) { try await delete() }
        #expect(telemetry.health.readiness().isHealthy)
        await #expect(throws: KubeError.self) { try await delete() }
        #expect(telemetry.health.readiness().text.contains("API server unreachable since"))
        try await delete()
        #expect(telemetry.health.readiness().isHealthy)
        for code in ["404", "503", "200"] {
            let series =
                #"secretsbridge_api_requests_total{verb="delete",resource="secrets",code="\#(code)"}"#
            #expect(sample(page, series) == 1)
        }
        #expect(!page.contains("very-secret-name"))
        #expect(!page.contains("payments"))
    }

    @Test func countsInterruptedWatches() {
        let informers = Informers(
            queue: WorkQueue(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            metrics: telemetry.watchMetrics)
        let error = KubeError(.expired, activity: "watching", message: "too old")
        informers.handle(WatcherEvent<SecretMetadata>.interrupted(error))
        let series = #"secretsbridge_watch_restarts_total{resource="secrets",reason="expired"}"#
        #expect(sample(page, series) == 1)
    }

    @Test func countsUnreadableLinesAndLogsThemOnce() {
        let lines = LogLines()
        let informers = Informers(queue: WorkQueue(), logger: lines.logger, metrics: telemetry.watchMetrics)
        for _ in 0..<5 { informers.handle(WatcherEvent<SecretMetadata>.unreadable(.notJSON)) }
        informers.handle(WatcherEvent<SecretMetadata>.unreadable(.tooLong))
        let series = #"secretsbridge_watch_skipped_total{resource="secrets",problem="#
        #expect(sample(page, series + #""not_json"}"#) == 5)
        #expect(sample(page, series + #""too_long"}"#) == 1)
        #expect(lines.texts.count == 2, "\(lines.texts)")
    }

    /// The connection of the watch opens each time, and the watch makes no progress.
    @Test func readinessAndAMetricReportAStalledWatch() async throws {
        let clock = Locked(SuspendingClock.now)
        let scope = WatchScopeProgress { clock.withLock { $0 } }
        let cluster = try await TestCluster.withWrappedSecret()
        telemetry.attach(WorkQueue(), [cluster.informers], [scope], cluster.keys.keyRing, workers: 1)
        let series = #"secretsbridge_watch_last_progress_timestamp_seconds{resource="wrappedsecrets"}"#
        #expect(sample(page, series) == 0)
        let broken = HTTPError(.connectionClosed, activity: "GET")
        let list = #"{"metadata":{"resourceVersion":"5"},"items":[]}"#
        let answers = Locked(0)
        let transport = FakeTransport { request in
            answers.withLock { $0 += 1 }
            guard request.query.contains("watch=true") else { return .init(200, list) }
            return .init(200, chunks: [], end: .failure(broken))
        }
        let config = ClusterConfiguration(server: "https://api.test")
        var timing = WatcherOptions()
        timing.sleep = { _ in try await Task.sleep(for: .milliseconds(1)) }
        let client = KubeClient(connection: APIConnection(config, transport: transport)) { _ in }
        let watcher = Watcher<WrappedSecret>(
            client, options: timing, streamingLists: false, progress: scope.objects)
        let task = Task { await watcher.run { _ in } }
        while answers.withLock({ $0 }) < 20 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(telemetry.health.readiness().isHealthy, "an interruption is no stall")
        #expect((sample(page, series) ?? 0) > 1_700_000_000, "the list counts as progress")
        clock.withLock { $0 += .seconds(121) }
        let report = telemetry.health.readiness()
        #expect(!report.isHealthy)
        #expect(
            report.text.contains("\n- watch of wrappedsecrets: no progress for 121 s, "), "\(report.text)")
        #expect(report.text.contains("the last one: transport\n"), "\(report.text)")
        task.cancel()
        await task.value
    }

    /// A deleted namespace takes its RoleBinding along; the controller still serves the other namespaces.
    @Test func staysReadyWhenOneOfSeveralNamespacesIsForbidden() async throws {
        for (namespace, problems) in [("shop" as String?, 0), (nil, 1)] {
            let clock = Locked(SuspendingClock.now)
            let scope = WatchScopeProgress(namespace: namespace) { clock.withLock { $0 } }
            let list = #"{"metadata":{"resourceVersion":"5"},"items":[]}"#
            let answers = Locked(0)
            let transport = FakeTransport { request in
                answers.withLock { $0 += 1 }
                guard request.query.contains("watch=true") else { return .init(200, list) }
                return .status(403, "Forbidden")
            }
            let config = ClusterConfiguration(server: "https://api.test")
            var timing = WatcherOptions()
            timing.sleep = { _ in try await Task.sleep(for: .milliseconds(1)) }
            let client = KubeClient(connection: APIConnection(config, transport: transport)) { _ in }
            let watcher = Watcher<SecretMetadata>(
                client, options: timing, streamingLists: false, progress: scope.secrets)
            let task = Task { await watcher.run { _ in } }
            while answers.withLock({ $0 }) < 10 { try await Task.sleep(for: .milliseconds(1)) }
            clock.withLock { $0 += .seconds(600) }
            #expect(WatchScopeProgress.problems(scope.watches).count == problems)
            task.cancel()
            await task.value
        }
    }

    @Test func countsObjectsAndIsReadyOnceTheCachesAreComplete() async throws {
        let cluster = try TestCluster()
        let queue = WorkQueue(maximumDelay: .seconds(1), observe: telemetry.queueMetrics.record(_:))
        telemetry.attach(queue, [cluster.informers], [], cluster.keys.keyRing, workers: 1)
        #expect(
            telemetry.health.readiness().text == "not ready\n- caches not complete: wrappedsecrets, secrets\n"
        )
        try await cluster.apply()
        #expect(telemetry.health.readiness().isHealthy)
        let unknown = #"secretsbridge_wrappedsecrets{ready="Unknown",reason="",lease="a"}"#
        #expect(sample(page, unknown) == 1)
        _ = await cluster.reconcile()
        try cluster.syncCaches()
        #expect(sample(page, unknown) == nil)
        #expect(sample(page, #"secretsbridge_wrappedsecrets{ready="True",reason="Synced",lease="a"}"#) == 1)
        let byKey = #"secretsbridge_wrapped_by_key{key_id="\#(cluster.keys.keyID)",key_version="",lease="a"}"#
        #expect(sample(page, byKey) == 1)
        cluster.server["\(TestCluster.objects)/db"] = nil
        try cluster.syncCaches()
        #expect(!page.contains("secretsbridge_wrappedsecrets{"))
        #expect(!page.contains("secretsbridge_wrapped_by_key{"))
    }
}
