import KubeClient
import Logging
import Resources
import Testing

@testable import Controller

/// The log lines of an outage.
@Suite struct WatchOutagesTests {
    private func error(_ code: KubeError.Code) -> KubeError {
        KubeError(code, activity: "watching", message: code.rawValue)
    }

    @Test func logsEachKindOfFailureAndTheRecoveryOnceForEachResource() {
        let lines = LogLines()
        let informers = Informers(queue: WorkQueue(), logger: lines.logger)
        for _ in 0..<20 {
            informers.handle(WatcherEvent<WrappedSecret>.interrupted(error(.transport)))
            informers.handle(WatcherEvent<WrappedSecret>.interrupted(error(.unavailable)))
            informers.handle(WatcherEvent<SecretMetadata>.interrupted(error(.transport)))
        }
        #expect(
            lines.texts == [
                "warning watch interrupted wrappedsecrets ", "warning watch interrupted wrappedsecrets ",
                "warning watch interrupted secrets ",
            ])
        lines.clear()
        for _ in 0..<3 { informers.handle(WatcherEvent<WrappedSecret>.resumed) }
        informers.handle(WatcherEvent<SecretMetadata>.initDone(resourceVersion: "1"))
        informers.handle(WatcherEvent<SecretMetadata>.interrupted(error(.expired)))
        informers.handle(WatcherEvent<SecretMetadata>.resumed)
        #expect(
            lines.texts == [
                "info watch recovered wrappedsecrets ", "info watch recovered secrets ",
            ])
    }

    @Test func logsAnOutageOfTheServerOnceForAllNamespacesAndAForbiddenWatchForEach() {
        let lines = LogLines()
        let outages = WatchOutages()
        let informers = (0..<1000).map {
            Informers(queue: WorkQueue(), namespace: "n\($0)", logger: lines.logger, outages: outages)
        }
        for one in informers {
            one.handle(WatcherEvent<WrappedSecret>.interrupted(error(.tooManyRequests)))
            one.handle(WatcherEvent<SecretMetadata>.interrupted(error(.tooManyRequests)))
        }
        #expect(lines.texts.count == 2, "one for each resource")
        informers[7].handle(WatcherEvent<SecretMetadata>.interrupted(error(.forbidden)))
        informers[8].handle(WatcherEvent<SecretMetadata>.interrupted(error(.forbidden)))
        #expect(lines.texts.count == 4)
        lines.clear()
        for one in informers.dropLast() { one.handle(WatcherEvent<SecretMetadata>.resumed) }
        #expect(lines.texts.count == 2, "the two forbidden watches: \(lines.texts)")
        informers[999].handle(WatcherEvent<SecretMetadata>.resumed)
        #expect(lines.texts.count == 3, "the last watch ends the outage: \(lines.texts)")
    }

    @Test func logsAHintForAMissingCRDAndForAForbiddenWatch() {
        let lines = LogLines()
        let informers = Informers(queue: WorkQueue(), logger: lines.logger)
        informers.handle(WatcherEvent<WrappedSecret>.interrupted(error(.notFound)))
        informers.handle(WatcherEvent<SecretMetadata>.interrupted(error(.forbidden)))
        let logged = lines.texts
        #expect(logged.first?.contains("kubectl apply --server-side -f manifests/crds/") == true, "\(logged)")
        #expect(logged.last?.contains("list and watch of secrets") == true, "\(logged)")
    }
}
