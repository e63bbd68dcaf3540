import Concurrency
import Envelope
import HTTPTypes
import JSON

/// The number of a key's primary version, as far as this process may read the key. A response to Decrypt says only whether the
/// primary version was used (docs/adr/0015).
///
/// Safe to use from many tasks, which share one request.
final class GCPPrimaryVersion: Sendable {
    /// The version of a data key that the primary version wrapped, whose number is not known.
    static let primary = "primary"
    /// The version of a data key that another version than the primary one wrapped: `rewrap` moves it.
    static let earlier = "earlier"

    /// A number serves for ten minutes and is read again after five. An identity that may not read the key is not worth a
    /// request, and an entry in the audit log, more than once an hour.
    private static let policy = {
        var policy = RefreshPolicy()
        policy.refreshLead = .init(share: 0.5)
        policy.expiryLead = .init(share: 0)
        policy.retryBase = .seconds(3600)
        policy.maximumRetry = .seconds(3600)
        policy.maximumRetryInOutage = .seconds(2)
        policy.maximumRetryWhileServing = .seconds(60)
        return policy
    }()
    private static let lifetime = Duration.seconds(600)
    /// Short, because data keys wait for it.
    static let timeout = Duration.seconds(2)

    private let refreshing: Refreshing<String, ReadingError>

    init(of key: GCPKeyName, _ kms: CloudClient, now: @escaping @Sendable () -> ContinuousClock.Instant) {
        let request = CloudRequest(
            method: .get, path: "/v1/\(key.text)", action: "cloudkms.cryptoKeys.get", resource: key.text,
            timeout: Self.timeout)
        refreshing = Refreshing(
            Self.policy, cancelled: ReadingError(isOutage: true), now: now
        ) { () throws(ReadingError) in
            do throws(CloudError) {
                let number = try await kms.send(request) { response throws(CloudError) in
                    response.body?["primary"]?["name"]?.string.flatMap { key.versionNumber($0) }
                }
                if let number { return Grant(number, lifetime: Self.lifetime) }
            } catch {
                throw ReadingError(isOutage: error.isOutage)
            }
            throw ReadingError(isOutage: false)
        }
    }

    /// Returns nil if the key cannot be read.
    func number() async -> String? { try? await refreshing.value().value }

    private struct ReadingError: RefreshFailure {
        let isOutage: Bool
    }
}
