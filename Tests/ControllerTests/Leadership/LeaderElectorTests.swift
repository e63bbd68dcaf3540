import HTTPTypes
import KubeClient
import Logging
import System
import TestSupport
import Testing

@testable import Controller

@Suite struct LeaderElectorTests {
    /// A candidate with a server, a clock, and a note of what happened in which order.
    private final class Candidate: Sendable {
        static let path = "/apis/coordination.k8s.io/v1/namespaces/ns/leases/secrets-bridge"

        let server = FakeAPIServer()
        let clock = ManualClock()
        let way: UnreliableTransport
        let leadership = Leadership()
        private let notes = Locked<[String]>([])
        private let elector: LeaderElector<ManualClock>

        init(holder: AnyJSON? = nil) {
            let way = UnreliableTransport(server.transport())
            self.way = way
            let ref = ObjectRef(namespace: "ns", name: "secrets-bridge")
            let notes = notes
            let cluster = ClusterConfiguration(server: "https://api.test", trust: .system)
            elector = LeaderElector(
                .init(identity: "me", lease: ref, timing: LeaseTiming()),
                store: APILeaseStore(ref) {
                    KubeClient(connection: APIConnection(cluster, transport: way)) { _ in }
                },
                leadership: leadership, clock: clock,
                abandon: { notes.withLock { $0.append("abandoned") } },
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            if let holder {
                server[Self.path] = ["metadata": ["name": "secrets-bridge"], "spec": holder]
            }
        }

        var lease: AnyJSON? { server[Self.path]?["spec"] }
        var holder: String? { lease?["holderIdentity"]?.string }
        var happened: [String] { notes.withLock { $0 } }
        func note(_ what: String) { notes.withLock { $0.append(what) } }

        /// Another writes the lease.
        func put(_ spec: AnyJSON) {
            var lease = server[Self.path]
            lease?["spec"] = spec
            server[Self.path] = lease
        }

        /// Starts; works until cancelled, and as long after that as `lasts` says.
        func start(lasts: Duration = .zero) -> Task<LeaseLost?, Never> {
            Task {
                do {
                    try await elector.run {
                        self.note("works")
                        try? await self.clock.sleep(until: .init(.seconds(100_000)), tolerance: nil)
                        self.note("cancelled at \(Int(self.clock.now.offset.components.seconds))")
                        if lasts > .zero {
                            let clock = self.clock
                            await Task {
                                try? await clock.sleep(until: clock.now.advanced(by: lasts), tolerance: nil)
                            }.value
                        }
                        self.note("ended, \(self.holder ?? "nobody") holds the lease")
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
            try #require(holds, "\(what); \(happened)")
        }

        func lead(lasts: Duration = .zero) async throws -> Task<LeaseLost?, Never> {
            let task = start(lasts: lasts)
            try await until("leads") { happened == ["works"] }
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

    @Test("What is written is what client-go and kubectl read; the work ends before the lease is given back")
    func wholeLife() async throws {
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
        #expect(candidate.happened.last == "ended, me holds the lease")
        #expect(candidate.holder == "")
        #expect(candidate.lease?["leaseTransitions"] == .int(0))
        #expect(!candidate.leadership.isLeading)
    }

    @Test("Labels and annotations that others put on the lease stay")
    func foreignMetadata() async throws {
        let candidate = Candidate(holder: other(""))
        candidate.server[Candidate.path]?[["metadata", "annotations"]] = ["team": "a"]
        let task = try await candidate.lead()
        #expect(candidate.server[Candidate.path]?[["metadata", "annotations", "team"]] == "a")
        #expect(candidate.lease?["leaseTransitions"] == .int(8))
        task.cancel()
        _ = await task.value
    }

    @Test("Cut off, it stops by its renew deadline, though no request ever ends")
    func hang() async throws {
        let candidate = Candidate()
        let task = try await candidate.lead()
        let cut = candidate.clock.now
        candidate.way.set(.hangs)
        try await candidate.until("ends", within: .seconds(14)) { candidate.happened.count == 3 }
        #expect(candidate.clock.now.offset - cut.offset < .seconds(12))
        try await candidate.until("gives up") { !candidate.leadership.isLeading }
        try await candidate.until("its last try") { candidate.clock.now.offset > cut.offset + .seconds(30) }
        let lost = await task.value
        #expect(lost?.holder == nil && lost != nil)
        #expect(candidate.happened.count == 3, "\(candidate.happened)")
    }

    @Test("Not even a request that does not end when it is told to keeps the work going")
    func deaf() async throws {
        let candidate = Candidate()
        let task = try await candidate.lead()
        let cut = candidate.clock.now
        candidate.way.set(.hangsDespiteCancellation)
        try await candidate.until("the work ends") { candidate.happened.count == 3 }
        #expect(candidate.clock.now.offset - cut.offset < .seconds(10.2))
        try await candidate.until("the process is ended") { candidate.happened.last == "abandoned" }
        candidate.way.set(.works)
        _ = await task.value
    }

    @Test("A server that fails for less than the deadline ends nothing", arguments: [500, 429, 403, 401])
    func hiccup(status: Int) async throws {
        let candidate = Candidate()
        let task = try await candidate.lead()
        candidate.way.set(.fails(status: status))
        let start = candidate.clock.now
        try await candidate.until("time passes") { candidate.clock.now.offset > start.offset + .seconds(6) }
        candidate.way.set(.works)
        try await candidate.until("time passes") { candidate.clock.now.offset > start.offset + .seconds(40) }
        #expect(candidate.happened == ["works"])
        task.cancel()
        #expect(await task.value == nil)
    }

    @Test("A server that fails for longer ends the work, and the lease is given back once that is over")
    func failing() async throws {
        let candidate = Candidate()
        let task = try await candidate.lead(lasts: .seconds(3))
        candidate.way.set(.fails(status: 500))
        try await candidate.until("is cancelled") { candidate.happened.count == 2 }
        candidate.way.set(.works)
        try await candidate.until("ends") { candidate.happened.count == 3 }
        #expect(candidate.happened.last == "ended, me holds the lease")
        let lost = await task.value
        #expect(lost != nil)
        #expect(candidate.holder == "")
    }

    @Test("Renewals whose answers are lost are renewals after all, once they are found")
    func lostAnswers() async throws {
        let candidate = Candidate()
        let task = try await candidate.lead()
        for _ in 0..<3 {
            candidate.way.set(.losesResponses)
            let start = candidate.clock.now
            try await candidate.until("time passes") {
                candidate.clock.now.offset > start.offset + .seconds(5)
            }
            candidate.way.set(.works)
            try await candidate.until("time passes") {
                candidate.clock.now.offset > start.offset + .seconds(9)
            }
        }
        #expect(candidate.happened == ["works"])
        task.cancel()
        #expect(await task.value == nil)
    }

    @Test("Another on the lease ends the work at once; the lease is left to it")
    func taken() async throws {
        let candidate = Candidate()
        let task = try await candidate.lead()
        candidate.put(other("other"))
        try await candidate.until("ends", within: .seconds(4)) { candidate.happened.count == 3 }
        let lost = await task.value
        #expect(lost?.holder == "other")
        #expect("\(try #require(lost))".contains("other holds it now"))
        #expect(candidate.holder == "other")
    }

    @Test("A work that does not end is ended with the process, before another may take the lease")
    func stuck() async throws {
        let candidate = Candidate()
        let task = try await candidate.lead(lasts: .seconds(60))
        let cut = candidate.clock.now
        candidate.way.set(.hangs)
        try await candidate.until("is abandoned") { candidate.happened.last == "abandoned" }
        #expect(candidate.clock.now.offset - cut.offset <= .seconds(15.2))
        candidate.way.set(.works)
        try await candidate.until("ends") { candidate.happened.count == 4 }
        _ = await task.value
    }

    @Test("Standing by, it works neither while another renews, nor before what that promised has passed")
    func standby() async throws {
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
        #expect(candidate.happened.isEmpty)
        try await candidate.until("leads") { candidate.happened == ["works"] }
        #expect(candidate.lease?["leaseTransitions"] == .int(8))
        task.cancel()
        _ = await task.value
    }

    @Test("Released, it is taken over at the next look")
    func takeover() async throws {
        let candidate = Candidate(holder: other("other"))
        let task = candidate.start()
        try await candidate.until("stands by") { candidate.way.requests.count >= 1 }
        candidate.put(other(""))
        try await candidate.until("leads") { candidate.happened == ["works"] }
        task.cancel()
        _ = await task.value
    }

    @Test("Cancelled while it stands by, it never works and touches nothing")
    func neverLed() async throws {
        let candidate = Candidate(holder: other("other"))
        let task = candidate.start()
        try await candidate.until("stands by") { candidate.way.requests.count >= 2 }
        task.cancel()
        #expect(await task.value == nil)
        #expect(candidate.happened.isEmpty)
        #expect(candidate.way.requests.allSatisfy { $0.method == .get })
    }
}
