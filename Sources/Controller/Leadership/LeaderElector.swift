package import KubeClient
package import Logging
import ServiceLifecycle
import System

/// Lets work run while a lease is held: acts out what `LeaseMachine` decides.
///
/// Guarantees: the work is cancelled as soon as the lease is lost, or could not be renewed by the renew deadline,
/// whatever a request is doing then; it is awaited before the lease is given back; a work that does not end before
/// another may take the lease is ended with the process (`abandon`). On a graceful shutdown the lease is renewed
/// until the work has ended.
package struct LeaderElector<C: Clock>: LeaderElection where C.Duration == Duration {
    package struct Candidate: Sendable {
        /// Different for every process that ever was.
        package let identity: String
        package let lease: ObjectRef
        package let timing: LeaseTiming

        package init(identity: String, lease: ObjectRef, timing: LeaseTiming) {
            self.identity = identity
            self.lease = lease
            self.timing = timing
        }
    }

    /// Why a leadership ended.
    private enum End: Sendable, Equatable, CustomStringConvertible {
        case workEnded
        case deadlinePassed
        case lost(to: String?)
        case cancelled

        var description: String {
            switch self {
            case .workEnded: "the work has ended"
            case .deadlinePassed: "the lease could not be renewed in time"
            case .lost(let holder): "\(holder ?? "somebody else") holds the lease"
            case .cancelled: "cancelled"
            }
        }
    }

    typealias Machine = LeaseMachine<C.Instant>

    private let candidate: Candidate
    private let leadership: Leadership
    private let clock: C
    private let abandon: @Sendable () -> Void
    private let logger: Logger
    private let requests: LeaseRequests<C>

    private var timing: LeaseTiming { candidate.timing }

    /// - Parameter abandon: ends the process at once.
    package init(
        _ candidate: Candidate, store: any LeaseStore, leadership: Leadership = Leadership(), clock: C,
        abandon: @escaping @Sendable () -> Void, logger: Logger
    ) {
        var logger = logger
        logger[metadataKey: "lease"] = "\(candidate.lease)"
        logger[metadataKey: "identity"] = "\(candidate.identity)"
        self.candidate = candidate
        self.leadership = leadership
        self.clock = clock
        self.abandon = abandon
        self.logger = logger
        requests = LeaseRequests(store: store, clock: clock, logger: logger)
    }

    /// Errors: `LeaseLost`.
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

    /// Returns when leading, with what comes next, or when there is to be an end.
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
                // A request is seen to its end even then: whether we hold the lease must be known.
                await cancelWhenGracefulShutdown { try? await clock.sleep(until: until, tolerance: nil) }
                input = .waitEnded
            } else {
                input = await requests.perform(effect, limit: timing.requestTimeout)
            }
            effect = machine.advance(
                input, at: clock.now, jitter: .random(in: 1 / LeaseTiming.jitterFactor...1))
        }
        return effect
    }

    private func lead(
        _ machine: Machine, _ next: Machine.Effect, _ work: @escaping @Sendable () async -> Void
    ) async -> (End, Machine) {
        let machine = Locked(machine)
        let end = await withTaskGroup(of: End.self) { group in
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
            // Another may take the lease after this long.
            let fuse = Task {
                try await clock.sleep(
                    until: clock.now.advanced(by: timing.leaseDuration - timing.renewDeadline),
                    tolerance: nil)
                logger.critical("work in flight does not end: the process does")
                abandon()
            }
            await group.waitForAll()
            fuse.cancel()
            _ = await fuse.result
            return end
        }
        return (end, machine.withLock { $0 })
    }

    /// Keeps the lease for as long as it can.
    private func renew(_ machine: Locked<Machine>, _ next: Machine.Effect) async -> End {
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
                input = await requests.perform(effect, limit: timing.requestTimeout)
            }
            // Cut short by the end of the work, it says nothing about the lease.
            guard !Task.isCancelled else { break }
            effect = machine.withLock { $0.advance(input, at: clock.now) }
        }
        return .cancelled
    }

    /// Returns when the deadline has passed, however long a request takes that should have moved it.
    private func watch(_ machine: Locked<Machine>) async -> End {
        while let deadline = machine.withLock({ $0.deadline }) {
            if clock.now >= deadline { return .deadlinePassed }
            guard (try? await clock.sleep(until: deadline, tolerance: nil)) != nil else { return .cancelled }
        }
        return .cancelled
    }

    /// Also of a task that was cancelled: what holds the lease must give it back.
    private func resign(_ machine: Machine) async {
        let release = Task {
            var machine = machine
            var effect = machine.resign(at: clock.now)
            let limit = clock.now.advanced(by: timing.requestTimeout)
            while effect != .stop, clock.now < limit {
                let input = await requests.perform(effect, limit: clock.now.duration(to: limit))
                if case .update = effect, case .written = input { logger.info("lease released") }
                effect = machine.advance(input, at: clock.now)
            }
        }
        await release.value
    }
}
