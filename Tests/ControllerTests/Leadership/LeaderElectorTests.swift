import HTTPTypes
import KubeClient
import Logging
import System
import TestSupport
import Testing

@testable import Controller

@Suite struct LeaderElectorTests {
    /// A candidate with a server and a clock that records its events in order.
    private final class Candidate: Sendable {
        static let path = "/apis/coordination.k8s.io/v1/namespaces/ns/leases/secrets-bridge"

        let server = FakeAPIServer()
        let clock = ManualClock()
        let transport: UnreliableTransport
        let leadership = Leadership()
        private let recordedEvents = Locked<[String]>([])
        private let elector: LeaderElector<ManualClock>

        init(holder: AnyJSON? = nil) {
            let transport = UnreliableTransport(server.transport())
            self.transport = transport
            let ref = ObjectRef(namespace: "ns", name: "secrets-bridge")
            let events = recordedEvents
            let cluster = ClusterConfiguration(server: "https://api.test")
            elector = LeaderElector(
                .init(identity: "me", lease: ref, timing: LeaseTiming()),
                store: APILeaseStore(ref) {
                    KubeClient(connection: APIConnection(cluster, transport: transport)) { _ in }
                },
                leadership: leadership, clock: clock,
                terminateProcess: { events.withLock { $0.append("terminated") } },
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            if let holder {
                server[Self.path] = [
                    "metadata": ["namespace": "ns", "name": "secrets-bridge"], "spec": holder,
                ]
            }
        }

        var lease: AnyJSON? { server[Self.path]?["spec"] }
        var holder: String? { lease?["holderIdentity"]?.string }
        var events: [String] { recordedEvents.withLock { $0 } }
        func record(_ event: String) { recordedEvents.withLock { $0.append(event) } }

        /// Writes the lease as another candidate.
        func put(_ spec: AnyJSON) {
            var lease = server[Self.path]
            lease?["spec"] = spec
            server[Self.path] = lease
        }

        /// Starts the election; the work continues for `lasts` after its cancellation.
        func start(lasts: Duration = .zero) -> Task<LeaseLost?, Never> {
            Task(executorPreference: clock.executor) {
                do {
                    try await self.elector.run {
                        self.record("working")
                        try? await self.clock.sleep(until: .init(.seconds(100_000)), tolerance: nil)
                        self.record("cancelled at \(Int(self.clock.now.offset.components.seconds))")
                        if lasts > .zero {
                            await self.clock.sleepDespiteCancellation(
                                until: self.clock.now.advanced(by: lasts))
                        }
                        self.record("ended, \(self.holder ?? "no one") holds the lease")
                    }
                } catch let error as LeaseLost {
                    return error
                } catch {
                    Issue.record("\(error)")
                }
                return nil
            }
        }

        func until(_ what: String, within limit: Duration = .seconds(120), _ condition: () -> Bool)
            async throws
        {
            let holds = try await clock.advance(within: limit, until: condition)
            try #require(holds, "\(what); \(events)")
        }

        func lead(lasts: Duration = .zero) async throws -> Task<LeaseLost?, Never> {
            let task = start(lasts: lasts)
            try await until("leads") { events == ["working"] }
            #expect(leadership.isLeading)
            return task
        }
    }

    private func other(_ holder: String, renewed: Int = 0) -> AnyJSON {
        [
            "holderIdentity": .string(holder), "leaseDurationSeconds": .int(15), "leaseTransitions": .int(7),
            "renewTime": .string("2001-01-01T00:00:0\(renewed % 10).00000\(renewed / 10)Z"),
        ]
    }

    @Test func releasesTheLeaseAfterTheWorkHasEnded() async throws {
        let candidate = Candidate()
        let task = try await candidate.lead()
        let spec = try #require(candidate.lease)
        #expect(spec["holderIdentity"] == "me")
        #expect(spec["leaseDurationSeconds"] == .int(15))
        #expect(spec["leaseTransitions"] == .int(0))
        let time = try #require(spec["renewTime"]?.string)
        #expect(time.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z/) != nil, "\(time)")
        #expect(spec["acquireTime"] == spec["renewTime"])
        try await candidate.until("renews") { candidate.lease?["renewTime"]?.string != time }
        #expect(candidate.lease?["acquireTime"]?.string == time)

        task.cancel()
        #expect(await task.value == nil)
        #expect(candidate.events.last == "ended, me holds the lease")
        #expect(candidate.holder == "")
        #expect(candidate.lease?["leaseTransitions"] == .int(0))
        #expect(!candidate.leadership.isLeading)
    }

    @Test func keepsLabelsAndAnnotationsOfOtherWriters() async throws {
        let candidate = Candidate(holder: other(""))
        candidate.server[Candidate.path]?[["metadata", "annotations"]] = ["team": "a"]
        let task = try await candidate.lead()
        #expect(candidate.server[Candidate.path]?[["metadata", "annotations", "team"]] == "a")
        #expect(candidate.lease?["leaseTransitions"] == .int(8))
        task.cancel()
        _ = await task.value
    }

    @Test func stopsAtTheRenewDeadlineWhileRequestsHang() async throws {
        let candidate = Candidate()
        let task = try await candidate.lead()
        let outageStart = candidate.clock.now
        candidate.transport.set(.hangs)
        try await candidate.until("ends", within: .seconds(14)) { candidate.events.count == 3 }
        #expect(candidate.clock.now.offset - outageStart.offset < .seconds(12))
        try await candidate.until("no longer leads") { !candidate.leadership.isLeading }
        try await candidate.until("the last attempt times out") {
            candidate.clock.now.offset > outageStart.offset + .seconds(30)
        }
        let lost = await task.value
        #expect(lost?.holder == nil)
        #expect(lost != nil)
        #expect(candidate.events.count == 3, "\(candidate.events)")
    }

    @Test func stopsAtTheRenewDeadlineWhileARequestIgnoresCancellation() async throws {
        let candidate = Candidate()
        let task = try await candidate.lead()
        let outageStart = candidate.clock.now
        candidate.transport.set(.hangsDespiteCancellation)
        try await candidate.until("the work ends") { candidate.events.count == 3 }
        #expect(candidate.clock.now.offset - outageStart.offset < .seconds(10.2))
        try await candidate.until("the process is terminated") { candidate.events.last == "terminated" }
        candidate.transport.set(.works)
        _ = await task.value
    }

    @Test(arguments: [500, 429, 403, 401])
    func keepsLeadingThroughFailuresShorterThanTheDeadline(status: Int) async throws {
        let candidate = Candidate()
        let task = try await candidate.lead()
        candidate.transport.set(.fails(status: status))
        let start = candidate.clock.now
        try await candidate.until("time passes") { candidate.clock.now.offset > start.offset + .seconds(6) }
        candidate.transport.set(.works)
        try await candidate.until("time passes") { candidate.clock.now.offset > start.offset + .seconds(40) }
        #expect(candidate.events == ["working"])
        task.cancel()
        #expect(await task.value == nil)
    }

    @Test func releasesTheLeaseOnceALongOutageIsOver() async throws {
        let candidate = Candidate()
        let task = try await candidate.lead(lasts: .seconds(3))
        candidate.transport.set(.fails(status: 500))
        try await candidate.until("is cancelled") { candidate.events.count == 2 }
        candidate.transport.set(.works)
        try await candidate.until("ends") { candidate.events.count == 3 }
        #expect(candidate.events.last == "ended, me holds the lease")
        let lost = await task.value
        #expect(lost != nil)
        #expect(candidate.holder == "")
    }

    @Test func keepsLeadingWhenTheResponsesToRenewalsAreLost() async throws {
        let candidate = Candidate()
        let task = try await candidate.lead()
        for _ in 0..<3 {
            candidate.transport.set(.losesResponses)
            let start = candidate.clock.now
            try await candidate.until("time passes") {
                candidate.clock.now.offset > start.offset + .seconds(5)
            }
            candidate.transport.set(.works)
            try await candidate.until("time passes") {
                candidate.clock.now.offset > start.offset + .seconds(9)
            }
        }
        #expect(candidate.events == ["working"])
        task.cancel()
        #expect(await task.value == nil)
    }

    @Test func endsTheWorkWhenAnotherHolderTakesTheLease() async throws {
        let candidate = Candidate()
        let task = try await candidate.lead()
        candidate.put(other("other"))
        try await candidate.until("ends", within: .seconds(4)) { candidate.events.count == 3 }
        let lost = await task.value
        #expect(lost?.holder == "other")
        #expect("\(try #require(lost))".contains("other holds it now"))
        #expect(candidate.holder == "other")
    }

    @Test func terminatesTheProcessWhenTheWorkDoesNotEnd() async throws {
        let candidate = Candidate()
        let task = try await candidate.lead(lasts: .seconds(60))
        let outageStart = candidate.clock.now
        candidate.transport.set(.hangs)
        try await candidate.until("the process is terminated") { candidate.events.last == "terminated" }
        #expect(candidate.clock.now.offset - outageStart.offset <= .seconds(15.2))
        candidate.transport.set(.works)
        try await candidate.until("ends") { candidate.events.count == 4 }
        _ = await task.value
    }

    @Test func waitsWhileTheLeaseIsRenewedAndUntilItExpires() async throws {
        let candidate = Candidate(holder: other("other"))
        let task = candidate.start()
        for round in 1...5 {
            let start = candidate.clock.now
            try await candidate.until("time passes") {
                candidate.clock.now.offset > start.offset + .seconds(9)
            }
            candidate.put(other("other", renewed: round))
        }
        let last = candidate.clock.now
        try await candidate.until("time passes") { candidate.clock.now.offset > last.offset + .seconds(14.5) }
        #expect(candidate.events.isEmpty)
        try await candidate.until("leads") { candidate.events == ["working"] }
        #expect(candidate.lease?["leaseTransitions"] == .int(8))
        task.cancel()
        _ = await task.value
    }

    @Test func takesAReleasedLeaseAtTheNextRetry() async throws {
        let candidate = Candidate(holder: other("other"))
        let task = candidate.start()
        try await candidate.until("is a standby") { candidate.transport.requests.count >= 1 }
        candidate.put(other(""))
        try await candidate.until("leads") { candidate.events == ["working"] }
        task.cancel()
        _ = await task.value
    }

    @Test func writesNothingWhenCancelledAsAStandby() async throws {
        let candidate = Candidate(holder: other("other"))
        let task = candidate.start()
        try await candidate.until("is a standby") { candidate.transport.requests.count >= 2 }
        task.cancel()
        #expect(await task.value == nil)
        #expect(candidate.events.isEmpty)
        #expect(candidate.transport.requests.allSatisfy { $0.method == .get })
    }
}
