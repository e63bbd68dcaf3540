package import KubeClient
package import Logging
import ServiceLifecycle
import System

/// Runs work while this replica holds a lease, as `LeaseMachine` decides.
///
/// The work is cancelled as soon as the lease is lost or the renew deadline passes, even while a request is in flight. The
/// lease is released only after the work has ended. If the work does not end before another replica may take the lease, the
/// elector terminates the process. During a graceful shutdown it renews the lease until the work has ended.
package struct LeaderElector<C: Clock>: LeaderElection where C.Duration == Duration {
    package struct Candidate: Sendable {
        /// Unique among all processes, past and present.
        package let identity: String
        package let lease: ObjectRef
        package let timing: LeaseTiming

        package init(identity: String, lease: ObjectRef, timing: LeaseTiming) {
            self.identity = identity
            self.lease = lease
            self.timing = timing
        }
    }

    private enum EndReason: Sendable, Equatable, CustomStringConvertible {
        case workEnded
        case deadlinePassed
        case lost(to: String?)
        case cancelled

        var description: String {
            switch self {
            case .workEnded: "the work has ended"
            case .deadlinePassed: "the lease could not be renewed in time"
            case .lost(let holder): "\(holder ?? "another replica") holds the lease"
            case .cancelled: "cancelled"
            }
        }
    }

    typealias Machine = LeaseMachine<C.Instant>

    private let candidate: Candidate
    private let leadership: Leadership
    private let clock: C
    private let terminateProcess: @Sendable () -> Void
    private let logger: Logger
    private let requests: LeaseRequests<C>

    private var timing: LeaseTiming { candidate.timing }

    /// - Parameter terminateProcess: ends the process at once, without cleanup.
    package init(
        _ candidate: Candidate, store: any LeaseStore, leadership: Leadership = Leadership(), clock: C,
        terminateProcess: @escaping @Sendable () -> Void, logger: Logger
    ) {
        var logger = logger
        logger[metadataKey: "lease"] = "\(candidate.lease)"
        logger[metadataKey: "identity"] = "\(candidate.identity)"
        self.candidate = candidate
        self.leadership = leadership
        self.clock = clock
        self.terminateProcess = terminateProcess
        self.logger = logger
        requests = LeaseRequests(store: store, clock: clock, logger: logger)
    }

    /// Waits for the lease, runs `work` while this replica holds it, and releases it. Returns without running `work` if a
    /// shutdown begins before.
    ///
    /// - Throws: `LeaseLost`.
    package func run(_ work: @escaping @Sendable () async -> Void) async throws {
        var machine = Machine(identity: candidate.identity, timing: timing, now: clock.now)
        let next = await standBy(&machine)
        guard machine.isLeading else {
            await resign(machine)
            return
        }
        logger.info("leading")
        leadership.isLeading = true
        let (end, last) = await lead(machine, next, work)
        leadership.isLeading = false
        switch end {
        case .workEnded, .cancelled:
            await resign(last)
        case .deadlinePassed:
            await resign(last)
            throw LeaseLost(lease: candidate.lease, holder: nil)
        case .lost(let holder):
            throw LeaseLost(lease: candidate.lease, holder: holder)
        }
    }

    /// Waits for the lease. Returns the next effect when this replica leads, is cancelled or shuts down.
    private func standBy(_ machine: inout Machine) async -> Machine.Effect {
        var holder: String?
        var effect = machine.advance(.start, at: clock.now)
        while !machine.isLeading, !Task.isCancelled, !Task.isShuttingDownGracefully {
            if let known = machine.observedRecord?.holder, known != holder, case .wait = effect {
                holder = known
                if !known.isEmpty { logger.info("standing by", metadata: ["holder": "\(known)"]) }
            }
            let input: Machine.Input
            if case .wait(let until) = effect {
                // Only the wait is cancelled: the result of a request shows if this replica holds the lease.
                await cancelWhenGracefulShutdown { try? await clock.sleep(until: until, tolerance: nil) }
                input = .waitEnded
            } else {
                input = await requests.perform(effect, timeout: timing.requestTimeout)
            }
            effect = machine.advance(
                input, at: clock.now, jitter: .random(in: 1 / LeaseTiming.jitterFactor...1))
        }
        return effect
    }

    private func lead(
        _ machine: Machine, _ next: Machine.Effect, _ work: @escaping @Sendable () async -> Void
    ) async -> (EndReason, Machine) {
        let machine = Locked(machine)
        let end = await withTaskGroup(of: EndReason.self) { group in
            group.addTask {
                await work()
                return .workEnded
            }
            group.addTask { await renew(machine, next) }
            group.addTask { await watch(machine) }
            let end = await group.next() ?? .cancelled
            group.cancelAll()
            if end == .workEnded { return end }
            logger.log(
                level: end == .cancelled ? .info : .error,
                "no longer leading: work in flight is cancelled",
                metadata: ["why": "\(end)"])
            // Another replica may take the lease after this time.
            let expiry = clock.now.advanced(by: timing.leaseDuration - timing.renewDeadline)
            let deadline = Task {
                try await clock.sleep(until: expiry, tolerance: nil)
                logger.critical("work in flight does not end: terminating the process")
                terminateProcess()
            }
            await group.waitForAll()
            deadline.cancel()
            _ = await deadline.result
            return end
        }
        return (end, machine.withLock { $0 })
    }

    /// Renews the lease until it is lost.
    private func renew(_ machine: Locked<Machine>, _ next: Machine.Effect) async -> EndReason {
        var effect = next
        while !Task.isCancelled {
            let input: Machine.Input
            switch effect {
            case .stop:
                let holder = machine.withLock { $0.observedRecord?.holder }
                return holder == candidate.identity ? .deadlinePassed : .lost(to: holder)
            case .wait(let until):
                guard (try? await clock.sleep(until: until, tolerance: nil)) != nil else { return .cancelled }
                input = .waitEnded
            case .get, .create, .update:
                input = await requests.perform(effect, timeout: timing.requestTimeout)
            }
            // A request that the end of the work cancelled has no result.
            guard !Task.isCancelled else { break }
            effect = machine.withLock { $0.advance(input, at: clock.now) }
        }
        return .cancelled
    }

    /// Returns when the deadline has passed, even while a renewal is in flight.
    private func watch(_ machine: Locked<Machine>) async -> EndReason {
        while let deadline = machine.withLock({ $0.deadline }) {
            if clock.now >= deadline { return .deadlinePassed }
            guard (try? await clock.sleep(until: deadline, tolerance: nil)) != nil else { return .cancelled }
        }
        return .cancelled
    }

    /// Releases the lease in a task of its own, so that a cancelled task releases it too.
    private func resign(_ machine: Machine) async {
        let release = Task {
            var machine = machine
            var effect = machine.resign(at: clock.now)
            let limit = clock.now.advanced(by: timing.requestTimeout)
            while effect != .stop, clock.now < limit {
                let input = await requests.perform(effect, timeout: clock.now.duration(to: limit))
                if case .update = effect, case .written = input { logger.info("lease released") }
                effect = machine.advance(input, at: clock.now)
            }
        }
        await release.value
    }
}
