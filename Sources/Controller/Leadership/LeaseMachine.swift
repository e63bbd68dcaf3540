/// Who leads, decided without I/O and without a clock. Each candidate has one.
///
/// Guarantee: of any number of candidates on one lease at most one is leading and before its `deadline`, as long
/// as their clocks run at speeds that differ by less than `leaseDuration` to `renewDeadline`. What the clocks
/// show does not matter. It rests on three rules:
///
/// - a write replaces only the very version that was read (`over`);
/// - the time of a leader counts from before it asked for its last renewal;
/// - the time of those who stand by counts from after they saw that renewal.
struct LeaseMachine<Instant: InstantProtocol & Sendable>: Sendable where Instant.Duration == Duration {
    enum Input: Equatable, Sendable {
        case start
        case found(LeaseRecord)
        /// There is no such lease.
        case notFound
        case written(LeaseRecord)
        /// Somebody else wrote, created or deleted the lease first. Nothing was written.
        case conflict
        /// Whether it was written is not known.
        case failed
        /// The wait is over.
        case waitEnded
    }

    enum Effect: Equatable, Sendable {
        case get
        case create(LeaseClaim)
        case update(LeaseClaim, over: String)
        case wait(until: Instant)
        /// No longer leading. What was begun has to end.
        case stop
    }

    private enum Role: Equatable, Sendable {
        case standby
        /// `renewed`: before the request that renewed it last was sent.
        case leading(renewed: Instant)
        case over
    }

    let identity: String
    let timing: LeaseTiming
    private var role = Role.standby
    /// The lease as last seen or written, and when that was new to us.
    private(set) var observedRecord: LeaseRecord?
    private var learnt: Instant
    /// When the request that is under way was sent.
    private var asked: Instant
    /// A claim of ours may have been written without our having heard of it.
    private(set) var mayHoldLease = false

    init(identity: String, timing: LeaseTiming, now: Instant) {
        self.identity = identity
        self.timing = timing
        learnt = now
        asked = now
    }

    var isLeading: Bool { deadline != nil }

    /// A leader must have stopped by then, unless a renewal has moved it.
    var deadline: Instant? {
        guard case .leading(let renewed) = role else { return nil }
        return renewed.advanced(by: timing.renewDeadline)
    }

    /// - Parameter jitter: by how much a pause of this candidate is shortened, at most 1.
    mutating func advance(_ input: Input, at now: Instant, jitter: Double = 1) -> Effect {
        let effect = decide(input, now, pause: timing.retryPeriod * jitter)
        switch effect {
        case .create, .update: mayHoldLease = true
        case .get, .wait, .stop: break
        }
        switch effect {
        case .get, .create, .update: asked = now
        case .wait: break
        case .stop: role = .over
        }
        return effect
    }

    /// Gives the lease back, if it is ours. Only once all work has ended: the next takes over at once.
    mutating func resign(at now: Instant) -> Effect {
        role = .over
        asked = now
        if let observedRecord, observedRecord.holder == identity { return release(observedRecord) }
        return mayHoldLease ? .get : .stop
    }

    private func release(_ record: LeaseRecord) -> Effect {
        .update(
            LeaseClaim(
                holder: "", durationSeconds: 1, transitions: min(max(record.transitions, 0), Self.maximum)),
            over: record.resourceVersion)
    }

    private mutating func decide(_ input: Input, _ now: Instant, pause: Duration) -> Effect {
        if let deadline, now >= deadline { return .stop }
        switch (role, input) {
        case (.over, .found(let record)): return record.holder == identity ? release(record) : .stop
        case (.over, .conflict): return .get
        case (.over, _): return .stop
        case (_, .start): return .get
        case (_, .found(let record)): return found(record, now, pause)
        case (_, .notFound): return missing(now, pause)
        case (_, .written(let record)): return written(record, now, pause)
        case (.leading, .conflict): return .get
        case (.standby, .conflict):
            // Somebody else has it now.
            mayHoldLease = false
            return .wait(until: now.advanced(by: pause))
        case (_, .failed): return retry(now, pause)
        case (.leading, .waitEnded):
            guard let observedRecord else { return .get }
            return .update(claim(over: observedRecord), over: observedRecord.resourceVersion)
        case (.standby, .waitEnded): return .get
        }
    }

    private mutating func found(_ record: LeaseRecord, _ now: Instant, _ pause: Duration) -> Effect {
        if observedRecord.map({ !$0.isSameRecord(as: record) }) ?? true { learnt = now }
        observedRecord = record
        let isOurs = record.holder == identity
        if !isOurs { mayHoldLease = false }
        if isLeading {
            return isOurs ? .update(claim(over: record), over: record.resourceVersion) : .stop
        }
        // Ours without our leading: we claimed it and never heard so.
        guard record.holder.isEmpty || isOurs || now >= expiry(of: record) else {
            return .wait(until: min(now.advanced(by: pause), expiry(of: record)))
        }
        return .update(claim(over: record), over: record.resourceVersion)
    }

    private mutating func missing(_ now: Instant, _ pause: Duration) -> Effect {
        if !isLeading, let observedRecord, !observedRecord.holder.isEmpty,
            observedRecord.holder != identity
        {
            // Somebody deleted the lease of a leader who may not know it yet.
            let expiry = expiry(of: observedRecord)
            if now < expiry { return .wait(until: min(now.advanced(by: pause), expiry)) }
        }
        return .create(claim(over: observedRecord ?? LeaseRecord()))
    }

    private mutating func written(_ record: LeaseRecord, _ now: Instant, _ pause: Duration) -> Effect {
        // A write that changed nothing is one that nobody else will notice.
        guard record.resourceVersion != observedRecord?.resourceVersion else { return retry(now, pause) }
        observedRecord = record
        learnt = now
        guard now < asked.advanced(by: timing.renewDeadline) else { return retry(now, pause) }
        role = .leading(renewed: asked)
        return .wait(until: asked.advanced(by: timing.retryPeriod))
    }

    private func retry(_ now: Instant, _ pause: Duration) -> Effect {
        let next = max(now, asked.advanced(by: pause))
        return .wait(until: deadline.map { min(next, $0) } ?? next)
    }

    private func claim(over record: LeaseRecord) -> LeaseClaim {
        let isOurs = record.holder == identity
        let isNew = record.resourceVersion.isEmpty
        // A lease may hold any number; the API server takes back no larger one.
        let transitions = min(max(record.transitions, 0), Self.maximum)
        return LeaseClaim(
            holder: identity, durationSeconds: timing.leaseSeconds,
            transitions: isOurs || isNew ? transitions : min(transitions, Self.maximum - 1) + 1,
            acquireTime: isOurs ? record.acquireTime : nil)
    }

    /// Numbers of a Lease have 32 bits.
    private static var maximum: Int { Int(Int32.max) }

    /// As long as its holder was promised, which may be longer than we ask for.
    private func expiry(of record: LeaseRecord) -> Instant {
        let promised = record.durationSeconds.flatMap {
            $0 > 0 ? Duration.seconds(min($0, Self.maximum)) : nil
        }
        return learnt.advanced(by: promised ?? timing.leaseDuration)
    }
}
