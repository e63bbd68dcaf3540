package import Envelope
import FoundationEssentials
package import KubeClient
package import Logging
import Resources
import ServiceLifecycle

/// The controller: two watches, a work queue, and workers that reconcile.
///
/// `run` returns after a graceful shutdown, when the work in flight is done, and not before.
package struct Controller: Service {
    package struct Options: Sendable {
        /// Reconciles in flight. They mostly wait for the API server and the KMS, and a batch of unwraps
        /// is at most as large as their number.
        package var workers = 128
        /// Of WrappedSecrets and their Secrets.
        package var selection = Selection()
        package var rules = OperatorRules()
        /// Longest pause between two tries of an object that fails.
        package var maximumRetryDelay = Duration.seconds(300)
        package var timing = WatchTiming()

        package init() {}
    }

    private let client: KubeClient
    private let keys: KeyRing
    private let options: Options
    private let telemetry: Telemetry
    private let logger: Logger

    package init(
        client: KubeClient, keys: KeyRing, options: Options = Options(), telemetry: Telemetry = Telemetry(),
        logger: Logger
    ) {
        self.client = client
        self.keys = keys
        self.options = options
        self.telemetry = telemetry
        self.logger = logger
    }

    package func run() async throws {
        let queue = WorkQueue(
            maximumDelay: options.maximumRetryDelay, observe: telemetry.queue.take(_:))
        let informers = Informers(
            queue: queue, logger: logger, interrupted: telemetry.watches.interrupted(_:_:))
        telemetry.watch(queue, [informers], keys, workers: options.workers)
        let reconciler = Reconciler(
            client: client, keys: keys, objects: informers.objects, secrets: informers.secrets,
            ownWrites: informers.ownWrites, stalled: informers.stalled, opened: informers.opened,
            rules: options.rules, made: informers.made, contests: informers.contests,
            now: { Date.now.formatted(.iso8601) },
            // Workers that wait for a batch take nothing from the queue: it must not wait for all of them.
            crowd: { [workers = options.workers] in min(queue.count, workers * 3 / 4) },
            logger: logger)
        await withTaskCancellationOrGracefulShutdownHandler {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await watch(informers) }
                group.addTask { await queue.run() }
                group.addTask { await telemetry.health.pulse() }
                for manager in keys.all {
                    group.addTask { await manager.maintain { informers.retryWaiting() } }
                }
                await work(queue, reconciler)
                group.cancelAll()
            }
        } onCancelOrGracefulShutdown: {
            logger.info("stopping: work in flight is finished first")
            queue.shutDown()
        }
        logger.info("stopped")
    }

    private func watch(_ informers: Informers) async {
        var managed = options.selection
        managed.labelSelector = "\(Markers.managed)=true"
        let secrets = Watcher<SecretMetadata>(client, managed, timing: options.timing)
        let objects = Watcher<WrappedSecret>(client, options.selection, timing: options.timing)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await secrets.run { informers.take($0) } }
            group.addTask { await objects.run { informers.take($0) } }
        }
    }

    private func work(_ queue: WorkQueue, _ reconciler: Reconciler) async {
        await withDiscardingTaskGroup { group in
            for _ in 0..<options.workers {
                group.addTask {
                    while await queue.processNext({ await telemetry.reconciles.observe($0, reconciler) }) {}
                }
            }
        }
    }
}
