/// How long a lease lasts, and how its holder keeps it.
package struct LeaseTiming: Sendable, Equatable {
    /// Others leave the lease alone for this long after they last saw it change.
    package var leaseDuration = Duration.seconds(15)
    /// A leader that could not renew for this long stops. The rest of `leaseDuration` is for what it has in
    /// hand, and for clocks that run at different speeds.
    package var renewDeadline = Duration.seconds(10)
    /// Between two tries to renew or to get the lease.
    package var retryPeriod = Duration.seconds(2)

    /// Pauses of those who stand by differ by up to this factor, so that they do not ask all at once.
    static var jitterFactor: Double { 1.2 }

    package init() {}

    /// What is wrong with it, in one line; nil when nothing is.
    package var problem: String? {
        if leaseDuration < .seconds(1) || leaseDuration.components.attoseconds != 0 {
            return "the lease duration is \(leaseDuration); whole seconds, 1 or more, are expected"
        }
        if renewDeadline >= leaseDuration {
            return "the renew deadline (\(renewDeadline)) must be shorter than the lease duration "
                + "(\(leaseDuration)): a leader must have stopped before another can take over"
        }
        if retryPeriod <= .zero { return "the retry period is \(retryPeriod); more than 0 is expected" }
        if retryPeriod * Self.jitterFactor >= renewDeadline {
            return
                "the renew deadline (\(renewDeadline)) must be longer than \(Self.jitterFactor) times the retry "
                + "period (\(retryPeriod)): one request that fails must not end a leadership"
        }
        return nil
    }

    /// No request may take longer: a second one must have its chance before the deadline.
    var requestTimeout: Duration { renewDeadline / 2 }

    var leaseSeconds: Int { Int(leaseDuration.components.seconds) }
}
