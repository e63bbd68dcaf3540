import FoundationEssentials
import System

/// Whether the process lives and whether it is ready, in words. Safe to ask from a thread that waits for no task.
package final class Health: Sendable {
    package struct Report: Sendable, Equatable {
        package let isHealthy: Bool
        /// Plain text for people, without anything of an object.
        package let text: String
    }

    private struct State {
        /// When a task last ran. Not counted while the machine is suspended.
        var lastPulse: SuspendingClock.Instant?
        var caches: (@Sendable () -> [String])?
        var watches: (@Sendable () -> [String])?
        var work: (@Sendable () -> Duration?)?
        var outage: (since: Date, code: String)?
    }

    private let state = Locked(State())
    private let clock: @Sendable () -> SuspendingClock.Instant

    static let heartbeatInterval = Duration.seconds(2)
    /// Without a pulse for so long, no task runs: the threads that tasks run on are all blocked.
    static let stallThreshold = Duration.seconds(60)
    /// Requests have deadlines far below it: a worker that is longer at one object waits for what never comes.
    static let maximumReconcileDuration = Duration.seconds(900)

    package convenience init() {
        self.init { .now }
    }

    init(clock: @escaping @Sendable () -> SuspendingClock.Instant) {
        self.clock = clock
    }

    /// Shows that tasks run, until the task is cancelled.
    func runHeartbeat() async {
        repeat {
            recordHeartbeat()
        } while (try? await Task.sleep(for: Self.heartbeatInterval)) != nil
        // Whoever is being stopped is not watched for it.
        state.withLock { $0.lastPulse = nil }
    }

    func recordHeartbeat() {
        let now = clock()
        state.withLock { $0.lastPulse = now }
    }

    /// - Parameters:
    ///   - caches: which are not complete.
    ///   - watches: which make no progress, a line each.
    ///   - work: how long all workers have been at their objects; nil: one of them has nothing to do.
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

    /// What came of a request to the API server.
    func recordAPIServerRequest(isReachable: Bool, code: String) {
        state.withLock { state in
            if isReachable {
                state.outage = nil
            } else {
                state.outage = (state.outage?.since ?? .now, code)
            }
        }
    }

    /// Fails only when nothing but a restart can help: no outage of others counts, as restarting does not end it.
    package func liveness() -> Report {
        let (pulse, work) = state.withLock { ($0.lastPulse, $0.work) }
        var problems: [String] = []
        if let pulse {
            let silence = clock() - pulse
            if silence > Self.stallThreshold {
                problems.append("no task has run for \(silence.components.seconds) s")
            }
        }
        if let longest = work?(), longest > Self.maximumReconcileDuration {
            problems.append("all workers have been at the same objects for \(longest.components.seconds) s")
        }
        return Report(problems, good: "alive", bad: "stuck")
    }

    /// Whether the caches show the cluster as it is. A standby is ready, and so is a controller whose KMS is out.
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
        return Report(problems, good: "ready", bad: "not ready")
    }
}

extension Health.Report {
    fileprivate init(_ problems: [String], good: String, bad: String) {
        isHealthy = problems.isEmpty
        text = ([problems.isEmpty ? good : bad] + problems.map { "- \($0)" }).joined(separator: "\n") + "\n"
    }
}
