import Serving
import System
import Testing

@testable import Controller

@Suite struct HealthTests {
    private let now = Locked(SuspendingClock.now)
    private var health: Health { Health { [now] in now.withLock { $0 } } }

    private func pass(_ duration: Duration) { now.withLock { $0 += duration } }

    @Test func isAliveFromTheStart() {
        let health = health
        #expect(health.liveness() == .init(isHealthy: true, text: "alive\n"))
        pass(.seconds(3600))
        #expect(health.liveness().isHealthy, "no heartbeat was expected yet")
    }

    @Test func isStuckWithoutAHeartbeat() {
        let health = health
        health.recordHeartbeat()
        pass(.seconds(60))
        #expect(health.liveness().isHealthy)
        pass(.seconds(1))
        #expect(health.liveness() == .init(isHealthy: false, text: "stuck\n- no task has run for 61 s\n"))
        health.recordHeartbeat()
        #expect(health.liveness().isHealthy)
    }

    @Test func isStuckWhenEveryWorkerIsBusyTooLong() {
        let health = health
        let longest = Locked<Duration?>(nil)
        health.setProbes(caches: { [] }, work: { longest.withLock { $0 } })
        #expect(health.liveness().isHealthy)
        longest.withLock { $0 = .seconds(900) }
        #expect(health.liveness().isHealthy)
        longest.withLock { $0 = .seconds(901) }
        #expect(
            health.liveness()
                == .init(
                    isHealthy: false,
                    text: "stuck\n- all workers have been busy with the same objects for 901 s\n"))
    }

    @Test func recordsHeartbeatsUntilItIsCancelled() async {
        let health = health
        let task = Task { await health.runHeartbeat() }
        task.cancel()
        await task.value
        pass(.seconds(3600))
        #expect(health.liveness().isHealthy)
    }

    @Test func namesTheIncompleteCaches() {
        let health = health
        #expect(
            health.readiness()
                == .init(isHealthy: false, text: "not ready\n- the controller has not started\n"))
        let missing = Locked(["wrappedsecrets", "secrets"])
        health.setProbes(caches: { missing.withLock { $0 } }, work: { nil })
        #expect(
            health.readiness()
                == .init(
                    isHealthy: false, text: "not ready\n- caches not complete: wrappedsecrets, secrets\n"))
        missing.withLock { $0 = [] }
        #expect(health.readiness() == .init(isHealthy: true, text: "ready\n"))
    }

    @Test func reportsSinceWhenTheAPIServerIsUnreachable() throws {
        let health = health
        health.setProbes(caches: { [] }, work: { nil })
        health.recordAPIServerRequest(isReachable: false, code: "transport")
        let first = health.readiness()
        #expect(!first.isHealthy)
        #expect(
            first.text.wholeMatch(of: #/not ready\n- API server unreachable since 20\S+Z: transport\n/#)
                != nil)
        // A later error belongs to the same outage.
        health.recordAPIServerRequest(isReachable: false, code: "503")
        #expect(health.readiness().text == first.text.replacing("transport", with: "503"))
        health.recordAPIServerRequest(isReachable: true, code: "200")
        #expect(health.readiness().isHealthy)
    }

    @Test func servesThePagesWithTheirStatuses() {
        let telemetry = Telemetry(version: "1.2.3")
        func status(_ path: String) -> Int { telemetry.page(AdminRequest(path: path)).status }
        #expect(status("/healthz") == 200)
        #expect(status("/readyz") == 503)
        #expect(status("/") == 404)
        let metrics = telemetry.page(AdminRequest(path: "/metrics"))
        #expect(metrics.contentType == "text/plain; version=0.0.4; charset=utf-8")
        #expect(metrics.text.contains("secretsbridge_build_info{version=\"1.2.3\"} 1\n"))
        #expect(metrics.text.contains("secretsbridge_leader 1\n"))
        telemetry.setLeadershipProbe { false }
        #expect(telemetry.page(AdminRequest(path: "/metrics")).text.contains("secretsbridge_leader 0\n"))
    }

    @Test func labelsTheSeriesWithTheLease() {
        let telemetry = Telemetry(version: "1.2.3", lease: "secrets-bridge-payments")
        let page = telemetry.page(AdminRequest(path: "/metrics")).text
        let label = #"lease="secrets-bridge-payments""#
        #expect(page.contains("secretsbridge_build_info{version=\"1.2.3\",\(label)} 1\n"))
        #expect(page.contains("secretsbridge_leader{\(label)} 1\n"))
    }
}
