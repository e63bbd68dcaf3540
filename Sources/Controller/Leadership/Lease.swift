import Cryptography
import JSON
import KubeClient

/// The content of a lease that candidates compare. Its times come from the clocks of other machines: they are compared for
/// equality and never with the clock of this one.
struct LeaseRecord: Equatable, Sendable {
    /// The identity of the holder; empty if the lease was released or never held.
    var holder = ""
    /// How long other candidates must wait after they last saw the record change.
    var durationSeconds: Int?
    var acquireTime: String?
    var renewTime: String?
    var transitions = 0
    var resourceVersion = ""

    init() {}

    init(_ lease: Lease) {
        holder = lease.spec?.holderIdentity ?? ""
        durationSeconds = lease.spec?.leaseDurationSeconds
        acquireTime = lease.spec?.acquireTime
        renewTime = lease.spec?.renewTime
        transitions = lease.spec?.leaseTransitions ?? 0
        resourceVersion = lease.metadata.resourceVersion ?? ""
    }

    /// Returns true if the holder has not written since. An annotation by another writer, which changes the resource
    /// version, is no renewal.
    func isSameRecord(as other: LeaseRecord) -> Bool {
        var other = other
        other.resourceVersion = resourceVersion
        return self == other
    }
}

/// The content to write to a lease. The store adds the times when it sends the request.
struct LeaseClaim: Equatable, Sendable {
    /// The identity of the new holder; empty to release the lease.
    var holder: String
    var durationSeconds: Int
    var transitions: Int
    /// The time to keep, or nil for the time of the request.
    var acquireTime: String?
}

/// Names the lease and its candidates.
package enum LeaseName {
    private static let defaultName = "secrets-bridge"

    /// Returns the name of the lease for a watch scope. Controllers with different scopes must not wait for each other, so
    /// a name of less than everything contains a digest of the scope.
    ///
    /// - Parameter selector: the label selector as the operator wrote it.
    package static func name(namespaces: [String], labelSelector selector: String?) -> String {
        guard !namespaces.isEmpty || selector != nil else { return defaultName }
        let text = Set(namespaces).sorted().joined(separator: ",") + "\n" + (selector ?? "")
        // The digest protects nothing, so an empty one after a failure is acceptable.
        let digest = (try? sha256(Array(text.utf8))) ?? []
        return "\(defaultName)-\(hex(digest.prefix(5)))"
    }

    /// Returns `<hostname>_<random>`, which is unique among all processes.
    package static func identity(hostname: String) -> String {
        "\(hostname)_\(hex((0..<8).map { _ in UInt8.random(in: 0...255) }))"
    }
}

/// The durations of leader election, with the names of client-go.
package struct LeaseTiming: Sendable, Equatable {
    /// Time after the last observed renewal before another replica may take the lease.
    package var leaseDuration = Duration.seconds(15)
    /// A leader that could not renew for this long stops. The difference to `leaseDuration` is time for the work in flight
    /// to end, and tolerance for clocks of different speeds.
    package var renewDeadline = Duration.seconds(10)
    /// Time between two attempts to renew or to acquire the lease.
    package var retryPeriod = Duration.seconds(2)

    /// The pauses of standbys vary by up to this factor, so that their requests spread.
    static var jitterFactor: Double { 1.2 }

    package init() {}

    /// A one-line description of the first invalid value, or nil if all are valid.
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

    /// Half of the renew deadline, so that a second request fits before it.
    var requestTimeout: Duration { renewDeadline / 2 }

    var leaseSeconds: Int { Int(leaseDuration.components.seconds) }
}
