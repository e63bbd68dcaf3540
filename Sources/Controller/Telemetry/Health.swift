import FoundationEssentials
import System

/// The liveness and readiness of the process. Thread-safe, and usable while no task can run.
package final class Health: Sendable {
    package struct Report: Sendable, Equatable {
        package let isHealthy: Bool
        /// Plain text without data of any object, because the pages need no authentication.
        package let text: String
    }

    private struct State {
        /// When a task last ran; the clock stops while the machine is suspended.
        var lastHeartbeat: SuspendingClock.Instant?
        var caches: (@Sendable () -> [String])?
        var watches: (@Sendable () -> [String])?
        var work: (@Sendable () -> Duration?)?
        var outage: (since: Date, code: String)?
    }

    private let state = Locked(State())
    private let clock: @Sendable () -> SuspendingClock.Instant

    static let heartbeatInterval = Duration.seconds(2)
    /// Without a heartbeat for this long, all threads that run tasks are blocked.
    static let stallThreshold = Duration.seconds(60)
    /// A worker that needs longer for one object is stuck, because all requests have much earlier deadlines.
    static let maximumReconcileDuration = Duration.seconds(900)

    package convenience init() {
        self.init { .now }
    }

    init(clock: @escaping @Sendable () -> SuspendingClock.Instant) {
        self.clock = clock
    }

    /// Records heartbeats until the task is cancelled.
    func runHeartbeat() async {
        repeat {
            recordHeartbeat()
        } while (try? await Task.sleep(for: Self.heartbeatInterval)) != nil
        // The heartbeat of a process that is stopping is not checked.
        state.withLock { $0.lastHeartbeat = nil }
    }

    func recordHeartbeat() {
        let now = clock()
        state.withLock { $0.lastHeartbeat = now }
    }

    /// - Parameters:
    ///   - caches: returns the caches that are not complete.
    ///   - watches: returns one line for each stalled watch.
    ///   - work: returns how long all workers have been busy with their present objects, or nil if a worker is idle.
    func setProbes(
        caches: @escaping @Sendable () -> [String], watches: @escaping @Sendable () -> [String] = { [] },
        work: @escaping @Sendable () -> Duration?
    ) {
        state.withLock {
            $0.caches = caches
            $0.watches = watches
            $0.work = work
        }
    }

    func recordAPIServerRequest(isReachable: Bool, code: String) {
        state.withLock { state in
            if isReachable {
                state.outage = nil
            } else {
                state.outage = (state.outage?.since ?? .now, code)
            }
        }
    }

    /// Fails only if a restart can help, so not because of an outage of another server.
    package func liveness() -> Report {
        let (heartbeat, work) = state.withLock { ($0.lastHeartbeat, $0.work) }
        var problems: [String] = []
        if let heartbeat {
            let silence = clock() - heartbeat
            if silence > Self.stallThreshold {
                problems.append("no task has run for \(silence.components.seconds) s")
            }
        }
        if let longest = work?(), longest > Self.maximumReconcileDuration {
            problems.append(
                "all workers have been busy with the same objects for \(longest.components.seconds) s")
        }
        return Report(problems, healthy: "alive", unhealthy: "stuck")
    }

    /// Checks that the caches are current. A standby is ready, and so is a controller whose KMS is unavailable.
    package func readiness() -> Report {
        let (caches, watches, outage) = state.withLock { ($0.caches, $0.watches, $0.outage) }
        var problems: [String] = []
        if let caches {
            let missing = caches()
            if !missing.isEmpty {
                problems.append("caches not complete: \(missing.joined(separator: ", "))")
            }
        } else {
            problems.append("the controller has not started")
        }
        problems += watches?() ?? []
        if let outage {
            problems.append(
                "API server unreachable since \(outage.since.formatted(.iso8601)): \(outage.code)")
        }
        return Report(problems, healthy: "ready", unhealthy: "not ready")
    }
}

extension Health.Report {
    fileprivate init(_ problems: [String], healthy: String, unhealthy: String) {
        isHealthy = problems.isEmpty
        let lines = [isHealthy ? healthy : unhealthy] + problems.map { "- \($0)" }
        text = lines.joined(separator: "\n") + "\n"
    }
}
