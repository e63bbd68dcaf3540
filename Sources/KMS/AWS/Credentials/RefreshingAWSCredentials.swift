import Concurrency
import FoundationEssentials

/// The credentials of a source, refreshed ahead of their expiration. All waiting tasks share one fetch, and a task that is
/// cancelled does not cancel it.
final class RefreshingAWSCredentials: AWSCredentialsProvider {
    /// The system's date gives the remaining lifetime of credentials; the monotonic clock measures it.
    struct Clocks: Sendable {
        var now: @Sendable () -> ContinuousClock.Instant = { .now }
        var date: @Sendable () -> Date = { Date() }
    }

    /// As in the SDKs, credentials are refreshed in their last 15 minutes, or in the last quarter of a short life.
    static let policy = {
        var policy = RefreshPolicy()
        policy.refreshLead = .init(share: 0.25, maximum: .seconds(15 * 60))
        policy.refreshJitter = 0.2
        policy.minimumRefreshInterval = .seconds(1)
        policy.expiryLead = .init(share: 0.1, maximum: .seconds(10))
        policy.countsFromRequest = false
        policy.maximumRetryInOutage = .seconds(5)
        policy.maximumRetryWhileServing = policy.maximumRetry
        policy.denialMemory = .seconds(3600)
        return policy
    }()

    /// Longer lifetimes count as unlimited; this one can be added to any instant.
    private static let maximumLifetime = 100 * 365 * 86_400.0

    private let refreshing: Refreshing<AWSCredentials, AWSCredentialsError>

    init(_ source: any AWSCredentialsSource, clocks: Clocks = Clocks()) {
        refreshing = Refreshing(
            Self.policy,
            cancelled: AWSCredentialsError(.cancelled, "cancelled while waiting for AWS credentials"),
            now: clocks.now
        ) { () throws(AWSCredentialsError) in
            try await Self.fetch(from: source, date: clocks.date)
        }
    }

    /// Returns the cached credentials, or fetches them. After a failure, throws its error until the next fetch is due.
    func credentials() async throws(AWSCredentialsError) -> AWSCredentials {
        try await refreshing.value().value
    }

    func invalidate(_ credentials: AWSCredentials) -> Bool {
        refreshing.recordDenial { $0.secretAccessKey === credentials.secretAccessKey }
    }

    private static func fetch(
        from source: any AWSCredentialsSource, date: @Sendable () -> Date
    ) async throws(AWSCredentialsError) -> Grant<AWSCredentials> {
        guard let credentials = try await source.credentials() else {
            throw AWSCredentialsError(.misconfigured, "\(source.name): no AWS credentials are configured")
        }
        guard let expiration = credentials.expiration else { return Grant(credentials, lifetime: nil) }
        let seconds = expiration.timeIntervalSince(date())
        guard seconds >= 1 else {
            throw AWSCredentialsError(
                .unavailable,
                "\(source.name): the AWS credentials were already expired when they arrived; check this machine's clock"
            )
        }
        return Grant(credentials, lifetime: seconds < maximumLifetime ? .seconds(seconds) : nil)
    }
}
