import HTTPTypes
import KubeClient
import Logging
import System
import TestSupport
import Testing

@testable import Controller

@Suite struct EventRecorderTests {
    private static let path = "/api/v1/namespaces/payments/events"
    private let server = FakeAPIServer()
    private let object = ObjectMeta(name: "db", namespace: "payments", uid: "u1")

    private func recorder(_ transport: FakeTransport, _ limits: EventRecorder.Correlator.Limits = .init())
        -> EventRecorder
    {
        let cluster = ClusterConfiguration(server: "https://api.test")
        return EventRecorder(
            client: KubeClient(connection: APIConnection(cluster, transport: transport)) { _ in },
            identity: "me",
            limits: limits, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    @Test func sendsTheFieldsThatKubectlDescribeReads() async throws {
        let recorder = recorder(server.transport())
        recorder.record(EventRecord(.normal, "Created", "Created Secret db", about: object))
        async let running: Void = recorder.run()
        await recorder.drain(within: .seconds(60))
        await running
        let event = try #require(server.objects(under: Self.path).first)
        #expect(event["involvedObject"]?["uid"] == "u1")
        #expect(event["involvedObject"]?["kind"] == "WrappedSecret")
        #expect(event["involvedObject"]?["apiVersion"] == "secrets-bridge.io/v1alpha1")
        #expect(event["reason"] == "Created")
        #expect(event["type"] == "Normal")
        #expect(event["count"] == 1)
        #expect(event["source"]?["component"] == "secrets-bridge")
        #expect(event["reportingInstance"] == "me")
        #expect(event["firstTimestamp"]?.string?.wholeMatch(of: /[-\d]{10}T[:\d]{8}Z/) != nil)
    }

    @Test func recreatesAnExpiredEventWithItsCount() async throws {
        var limits = EventRecorder.Correlator.Limits()
        limits.repeatInterval = .zero
        let transport = server.transport()
        let recorder = recorder(transport, limits)
        let event = EventRecord(.warning, "KMSUnavailable", "m", about: object)
        let running = Task { await recorder.run() }
        recorder.record(event)
        while server.objects(under: Self.path).isEmpty { try await Task.sleep(for: .milliseconds(2)) }
        for stored in server.objects(under: Self.path) {
            server["\(Self.path)/\(stored[["metadata", "name"]]?.string ?? "")"] = nil
        }
        recorder.record(event)
        await recorder.drain(within: .seconds(60))
        await running.value
        #expect(server.objects(under: Self.path).first?["count"] == 2)
        #expect(transport.requests.map(\.method) == [.post, .patch, .post])
    }

    @Test(arguments: [403, 500, 422])
    func dropsEventsThatTheServerRefuses(status: Int) async {
        let transport = FakeTransport { _ in .status(status, "Broken") }
        let recorder = recorder(transport)
        async let running: Void = recorder.run()
        for index in 0..<5 { recorder.record(EventRecord(.normal, "Created", "\(index)", about: object)) }
        await recorder.drain(within: .seconds(60))
        await running
        #expect(recorder.droppedCount == 5)
    }
}
