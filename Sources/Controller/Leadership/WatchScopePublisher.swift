import FoundationEssentials
package import KubeClient
package import Logging
package import Resources

/// Publishes the watch scope in the metadata of the lease when this replica becomes the leader.
///
/// The write is separate from the renewals. It changes the resource version, so that the next renewal reads the lease
/// again; its failure does not end the leadership.
package struct WatchScopePublisher: LeaderElection {
    private struct Body: Encodable {
        struct Metadata: Encodable {
            let labels: [String: String]
            let annotations: [String: String]
        }
        let metadata: Metadata
    }

    private static let maximumAttempts = 5

    private let election: any LeaderElection
    private let lease: ObjectRef
    private let scope: PublishedWatchScope
    private let client: KubeClient
    private let logger: Logger
    private let sleep: @Sendable (Duration) async throws -> Void

    package init(
        _ election: any LeaderElection, lease: ObjectRef, scope: PublishedWatchScope, client: KubeClient,
        logger: Logger,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        self.election = election
        self.lease = lease
        self.scope = scope
        self.client = client
        self.logger = logger
        self.sleep = sleep
    }

    package func run(_ work: @escaping @Sendable () async -> Void) async throws {
        try await election.run {
            // `async let` cancels it when the work ends.
            async let _: Void = publish()
            await work()
        }
    }

    private func publish() async {
        let metadata = Body.Metadata(labels: scope.labels, annotations: scope.annotations)
        guard let body = try? JSONEncoder().encode(Body(metadata: metadata)) else { return }
        for attempt in 1...Self.maximumAttempts {
            do throws(KubeError) {
                _ = try await client.patch(Lease.resource, lease, .merge(body: Array(body)))
                return
            } catch {
                guard error.code != .cancelled, error.code != .forbidden, attempt < Self.maximumAttempts
                else {
                    logger.info("watch scope not published on the lease", metadata: ["error": "\(error)"])
                    return
                }
            }
            guard (try? await sleep(.seconds(5 * attempt))) != nil else { return }
        }
    }
}
