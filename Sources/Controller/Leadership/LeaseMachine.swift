/// Leader election of one candidate, as a pure state machine: the caller performs the requests and passes the time.
///
/// Guarantee: of all candidates for a lease at most one is leading and before its `deadline`, as long as the speeds of their
/// clocks differ by less than the ratio of `leaseDuration` to `renewDeadline`: with 15 s and 10 s, each may be 20 % too fast
/// or too slow. Their wall-clock times do not matter. Three rules ensure it:
///
/// - a write replaces only the version that was read (`over`);
/// - a leader measures from before it sent its last renewal;
/// - a standby measures from after it observed that renewal.
struct LeaseMachine<Instant: InstantProtocol & Sendable>: Sendable where Instant.Duration == Duration {
    enum Input: Equatable, Sendable {
        case start
        case found(LeaseRecord)
        /// The lease does not exist.
        case notFound
        case written(LeaseRecord)
        /// Another writer changed, created or deleted the lease first; nothing was written.
        case conflict
        /// The request failed; the lease may have been written.
        case failed
        case waitEnded
    }

    enum Effect: Equatable, Sendable {
        case get
        case create(LeaseClaim)
        case update(LeaseClaim, over: String)
        case wait(until: Instant)
        /// The candidate no longer leads; its work must end.
        case stop
    }

    private enum Role: Equatable, Sendable {
        case standby
        /// `renewed` is the time before the last successful renewal was sent.
        case leading(renewed: Instant)
        case ended
    }

    let identity: String
    let timing: LeaseTiming
    private var role = Role.standby
    /// The record as it was last read or written.
    private(set) var observedRecord: LeaseRecord?
    /// When the record was first observed in its present form.
    private var observedAt: Instant
    /// When the last request was sent.
    private var requestedAt: Instant
    /// A claim may have been written although its request failed.
    private(set) var mayHoldLease = false

    init(identity: String, timing: LeaseTiming, now: Instant) {
        self.identity = identity
        self.timing = timing
        observedAt = now
        requestedAt = now
    }

    var isLeading: Bool { deadline != nil }

    /// When the leader must have stopped; each renewal postpones it.
    var deadline: Instant? {
        guard case .leading(let renewed) = role else { return nil }
        return renewed.advanced(by: timing.renewDeadline)
    }

    /// - Parameter jitter: the factor for the retry period, at most 1.
    mutating func advance(_ input: Input, at now: Instant, jitter: Double = 1) -> Effect {
        let effect = decide(input, now, pause: timing.retryPeriod * jitter)
        switch effect {
        case .create, .update: mayHoldLease = true
        case .get, .wait, .stop: break
        }
        switch effect {
        case .get, .create, .update: requestedAt = now
        case .wait: break
        case .stop: role = .ended
        }
        return effect
    }

    /// Releases the lease if this candidate holds it. All work must have ended, because another candidate can take the
    /// lease at once.
    mutating func resign(at now: Instant) -> Effect {
        role = .ended
        requestedAt = now
        if let known = observedRecord, known.holder == identity { return release(known) }
        return mayHoldLease ? .get : .stop
    }

    private func release(_ record: LeaseRecord) -> Effect {
        .update(
            LeaseClaim(
                holder: "", durationSeconds: 1,
                transitions: min(max(record.transitions, 0), Self.maximumNumber)),
            over: record.resourceVersion)
    }

    private mutating func decide(_ input: Input, _ now: Instant, pause: Duration) -> Effect {
        if let deadline, now >= deadline { return .stop }
        switch (role, input) {
        case (.ended, .found(let record)): return record.holder == identity ? release(record) : .stop
        case (.ended, .conflict): return .get
        case (.ended, _): return .stop
        case (_, .start): return .get
        case (_, .found(let record)): return found(record, now, pause)
        case (_, .notFound): return missing(now, pause)
        case (_, .written(let record)): return written(record, now, pause)
        case (.leading, .conflict): return .get
        case (.standby, .conflict):
            // Mostly another candidate has taken the lease, but an earlier claim may have arrived late, and the lease is
            // this candidate's.
            return .wait(until: now.advanced(by: pause))
        case (_, .failed): return retry(now, pause)
        case (.leading, .waitEnded):
            guard let known = observedRecord else { return .get }
            return .update(claim(over: known), over: known.resourceVersion)
        case (.standby, .waitEnded): return .get
        }
    }

    private mutating func found(_ record: LeaseRecord, _ now: Instant, _ pause: Duration) -> Effect {
        if observedRecord.map({ !$0.isSameRecord(as: record) }) ?? true { observedAt = now }
        observedRecord = record
        let isHolder = record.holder == identity
        if !isHolder { mayHoldLease = false }
        if isLeading {
            return isHolder ? .update(claim(over: record), over: record.resourceVersion) : .stop
        }
        // Held by this candidate that does not lead: its claim was written, but the response was lost.
        guard record.holder.isEmpty || isHolder || now >= expiry(of: record) else {
            return .wait(until: min(now.advanced(by: pause), expiry(of: record)))
        }
        return .update(claim(over: record), over: record.resourceVersion)
    }

    private mutating func missing(_ now: Instant, _ pause: Duration) -> Effect {
        if !isLeading, let known = observedRecord, !known.holder.isEmpty, known.holder != identity {
            // The lease was deleted while its holder may still lead without knowing.
            let expiry = expiry(of: known)
            if now < expiry { return .wait(until: min(now.advanced(by: pause), expiry)) }
        }
        return .create(claim(over: observedRecord ?? LeaseRecord()))
    }

    private mutating func written(_ record: LeaseRecord, _ now: Instant, _ pause: Duration) -> Effect {
        // Other candidates cannot observe a write that changed nothing.
        guard record.resourceVersion != observedRecord?.resourceVersion else { return retry(now, pause) }
        observedRecord = record
        observedAt = now
        guard now < requestedAt.advanced(by: timing.renewDeadline) else { return retry(now, pause) }
        role = .leading(renewed: requestedAt)
        return .wait(until: requestedAt.advanced(by: timing.retryPeriod))
    }

    private func retry(_ now: Instant, _ pause: Duration) -> Effect {
        let next = max(now, requestedAt.advanced(by: pause))
        return .wait(until: deadline.map { min(next, $0) } ?? next)
    }

    private func claim(over record: LeaseRecord) -> LeaseClaim {
        let isHolder = record.holder == identity
        let isNew = record.resourceVersion.isEmpty
        // A lease may have any number; the API server accepts no larger one.
        let transitions = min(max(record.transitions, 0), Self.maximumNumber)
        return LeaseClaim(
            holder: identity, durationSeconds: timing.leaseSeconds,
            transitions: isHolder || isNew ? transitions : min(transitions, Self.maximumNumber - 1) + 1,
            acquireTime: isHolder ? record.acquireTime : nil)
    }

    /// Numbers in a Lease have 32 bits.
    private static var maximumNumber: Int { Int(Int32.max) }

    /// When the lease expires by the duration of its holder, which may be longer than that of this candidate.
    private func expiry(of record: LeaseRecord) -> Instant {
        let seconds = record.durationSeconds.flatMap { $0 > 0 ? min($0, Self.maximumNumber) : nil }
        return observedAt.advanced(by: seconds.map { .seconds($0) } ?? timing.leaseDuration)
    }
}
