import KubeClient
import Resources

/// The state of a WrappedSecret that failed, or whose Secret or status another writer changes.
struct FailureRecord: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// An API server that refuses requests for longer than this is reported in the status. A restart takes less.
    static let gracePeriod = Duration.seconds(20)

    /// Limits how often changes of the Secret are reverted.
    var secretThrottle = DriftThrottle()
    /// Limits how often changes of the status are reverted.
    var statusThrottle = DriftThrottle()
    private var terminal: TerminalFailure?
    private var failingSince: Instant?

    func isEmpty(at now: Instant) -> Bool {
        terminal == nil && failingSince == nil && secretThrottle.isIdle(at: now)
            && statusThrottle.isIdle(at: now)
    }

    // MARK: terminal failures

    /// Remembers a failure that only a change of the object can resolve. Another try would cost a request to the KMS
    /// and end the same way.
    ///
    /// - Parameters:
    ///   - provider: the provider whose key could not open the envelope, or nil if none was used.
    ///   - delay: after how long the object is tried again nevertheless, or nil.
    mutating func failedTerminally(
        _ object: ObjectMeta, status: WrappedSecretStatus, provider: ResolvedProvider? = nil,
        retryAfter delay: Duration? = nil, now: Instant = .now
    ) {
        terminal = TerminalFailure(object, status, provider, until: delay.map { now + $0 })
    }

    /// True if an object has failed terminally with the key of a provider.
    var failedWithProvider: Bool { terminal?.provider != nil }

    /// Returns the status of an object that has failed terminally in its present state. Forgets a failure of an earlier
    /// one, and one of a provider that has changed since: the failure may be recorded after the change was handled.
    ///
    /// - Parameter provider: the present key and identity of the object's provider, or nil if there is none.
    mutating func terminalStatus(
        of object: ObjectMeta, provider: ResolvedProvider? = nil, now: Instant = .now
    ) -> WrappedSecretStatus? {
        guard let known = terminal else { return nil }
        if known.matches(object, provider), known.until.map({ now < $0 }) ?? true { return known.status }
        terminal = nil
        return nil
    }

    /// Returns how long until the object is tried again, or nil if only a change of it can help.
    func delayBeforeRetry(now: Instant = .now) -> Duration? {
        terminal?.until.map { max(now.duration(to: $0), .zero) }
    }

    mutating func forgetTerminalFailure() {
        terminal = nil
    }

    // MARK: failures of the API server

    /// Records that the API server kept the object from being reconciled.
    ///
    /// - Returns: whether that has lasted for longer than the grace period.
    mutating func apiServerFailed(now: Instant = .now) -> Bool {
        let first = failingSince ?? now
        failingSince = first
        return first.duration(to: now) >= Self.gracePeriod
    }

    mutating func apiServerRecovered() {
        failingSince = nil
    }
}

/// The records of all objects that have one. A record becomes empty by time alone, because repairs of long ago do not matter any
/// more: such records are dropped when there are many.
struct FailureRecords: Sendable {
    private(set) var records: [ObjectRef: FailureRecord] = [:]
    /// The number of records at which empty ones are dropped next.
    private var countBeforeCleanup = minimumCount

    private static let minimumCount = 64

    mutating func change<Result>(
        _ ref: ObjectRef, now: FailureRecord.Instant = .now, _ body: (inout FailureRecord) -> Result
    ) -> Result {
        var record = records[ref] ?? FailureRecord()
        let result = body(&record)
        records[ref] = record.isEmpty(at: now) ? nil : record
        if records.count >= countBeforeCleanup {
            records = records.filter { !$0.value.isEmpty(at: now) }
            countBeforeCleanup = max(Self.minimumCount, records.count * 2)
        }
        return result
    }

    mutating func forget(_ ref: ObjectRef) {
        records[ref] = nil
    }
}

/// A failure of one state of an object. A class, because the record of an object without one should be small.
private final class TerminalFailure: Sendable {
    let status: WrappedSecretStatus
    /// The provider whose key could not open the envelope, or nil if none was used.
    let provider: ResolvedProvider?
    /// When the object is tried again nevertheless.
    let until: ContinuousClock.Instant?
    private let uid: String?
    private let generation: Int64?
    private let annotations: [String: String]?

    init(
        _ object: ObjectMeta, _ status: WrappedSecretStatus, _ provider: ResolvedProvider?,
        until: ContinuousClock.Instant?
    ) {
        self.status = status
        self.provider = provider
        self.until = until
        uid = object.uid
        generation = object.generation
        annotations = object.annotations
    }

    func matches(_ object: ObjectMeta, _ present: ResolvedProvider?) -> Bool {
        uid == object.uid && generation == object.generation && annotations == object.annotations
            && (provider == nil || provider == present)
    }
}
