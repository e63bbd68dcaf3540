import FoundationEssentials
package import KubeClient
package import Logging
package import Resources

/// A gate that, as soon as its work begins, writes onto the lease what is watched.
///
/// The write is a request of its own, beside the renewals: it moves the lease's resourceVersion, so that the next renewal
/// reads the lease again, and its failure costs no leadership.
package struct WatchScopePublisher: LeaderElection {
    private struct Body: Encodable {
        struct Metadata: Encodable {
            let labels: [String: String]
            let annotations: [String: String]
        }
        let metadata: Metadata
    }

    private static let attempts = 5

    private let gate: any LeaderElection
    private let lease: ObjectRef
    private let scope: PublishedWatchScope
    private let client: KubeClient
    private let logger: Logger
    private let sleep: @Sendable (Duration) async throws -> Void

    package init(
        _ gate: any LeaderElection, lease: ObjectRef, scope: PublishedWatchScope, client: KubeClient,
        logger: Logger,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        self.gate = gate
        self.lease = lease
        self.scope = scope
        self.client = client
        self.logger = logger
        self.sleep = sleep
    }

    package func run(_ work: @escaping @Sendable () async -> Void) async throws {
        try await gate.run {
            // Cancelled when the work ends.
            async let _: Void = publish()
            await work()
        }
    }

    private func publish() async {
        let metadata = Body.Metadata(labels: scope.labels, annotations: scope.annotations)
        guard let body = try? JSONEncoder().encode(Body(metadata: metadata)) else { return }
        for attempt in 1...Self.attempts {
            do throws(KubeError) {
                _ = try await client.patch(Lease.resource, lease, .merge(body: Array(body)))
                return
            } catch {
                guard error.code != .cancelled, error.code != .forbidden, attempt < Self.attempts else {
                    logger.info("the lease does not show what is watched", metadata: ["error": "\(error)"])
                    return
                }
            }
            guard (try? await sleep(.seconds(5 * attempt))) != nil else { return }
        }
    }
}
