import Envelope
import KubeClient
import Logging
import Primitives
import Resources
import Serving
import TestSupport
import Testing

@testable import Controller

/// What observers see reaches the page.
@Suite struct TelemetryTests {
    private let telemetry = Telemetry(version: "test")

    private var page: String { telemetry.page(PageRequest(path: "/metrics")).text }

    @Test func kmsRequestsAndItems() {
        func request(
            _ items: Int, _ failures: [KeyManagerError.Code], keyID: String = "vault-transit:transit/a"
        ) {
            KeyManagerRequest(.unwrap, keyID: keyID, items: items, observer: telemetry.kms).ended(failures)
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

    @Test func apiRequestsTellWhetherTheServerIsThere() async throws {
        let answers = Locked<[FakeTransport.Response]>([
            .status(404, "NotFound"), .status(503, "ServiceUnavailable"), .init(200, "{}"),
        ])
        let transport = FakeTransport { _ in answers.withLock { $0.removeFirst() } }
        let cluster = ClusterConfiguration(server: "https://api.test", trust: .system)
        let client = KubeClient(
            connection: Connection(cluster, transport: transport, observer: telemetry.api)
        ) { _ in }
        telemetry.health.watch(caches: { [] }, work: { nil })
        let ref = ObjectRef(namespace: "payments", name: "very-secret-name")
        func delete() async throws { try await client.delete(.secrets, ref) }
        await #expect(throws: KubeError.self) { try await delete() }
        #expect(telemetry.health.readiness().isGood)
        await #expect(throws: KubeError.self) { try await delete() }
        #expect(telemetry.health.readiness().text.contains("API server unreachable since"))
        try await delete()
        #expect(telemetry.health.readiness().isGood)
        for code in ["404", "503", "200"] {
            let series =
                #"secretsbridge_api_requests_total{verb="delete",resource="secrets",code="\#(code)"}"#
            #expect(sample(page, series) == 1)
        }
        #expect(!page.contains("very-secret-name") && !page.contains("payments"))
    }

    @Test func watchesThatBreakOffAreCounted() {
        let informers = Informers(
            queue: WorkQueue(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            interrupted: telemetry.watches.interrupted(_:_:))
        let error = KubeError(.expired, activity: "watching", message: "too old")
        informers.take(WatcherEvent<SecretMetadata>.interrupted(error))
        let series = #"secretsbridge_watch_restarts_total{resource="secrets",reason="expired"}"#
        #expect(sample(page, series) == 1)
    }

    @Test func objectsAndReadinessFollowTheCaches() async throws {
        let cluster = try Cluster()
        let queue = WorkQueue(maximumDelay: .seconds(1), observe: telemetry.queue.take(_:))
        telemetry.watch(queue, [cluster.informers], cluster.keys.ring, workers: 1)
        #expect(
            telemetry.health.readiness().text == "not ready\n- caches not complete: wrappedsecrets, secrets\n"
        )
        try await cluster.put()
        #expect(telemetry.health.readiness().isGood)
        let unknown = #"secretsbridge_wrappedsecrets{ready="Unknown",reason=""}"#
        #expect(sample(page, unknown) == 1)
        _ = await cluster.run()
        try cluster.show()
        #expect(sample(page, unknown) == nil)
        #expect(sample(page, #"secretsbridge_wrappedsecrets{ready="True",reason="Synced"}"#) == 1)
        let byKey = #"secretsbridge_wrapped_by_key{key_id="\#(cluster.keys.keyID)",key_version=""}"#
        #expect(sample(page, byKey) == 1)
        cluster.server["\(Cluster.objects)/db"] = nil
        try cluster.show()
        #expect(!page.contains("secretsbridge_wrappedsecrets{"))
        #expect(!page.contains("secretsbridge_wrapped_by_key{"))
    }
}
