import KubeClient
import Logging
import Resources
import Testing

@testable import Controller

/// What is logged of an outage.
@Suite struct SaidOnceTests {
    private func error(_ code: KubeError.Code) -> KubeError {
        KubeError(code, activity: "watching", message: code.rawValue)
    }

    @Test("Each kind of failure once in an outage, of each kind of object, and the end once")
    func once() {
        let lines = LogLines()
        let informers = Informers(queue: WorkQueue(), logger: lines.logger)
        for _ in 0..<20 {
            informers.take(WatcherEvent<WrappedSecret>.interrupted(error(.transport)))
            informers.take(WatcherEvent<WrappedSecret>.interrupted(error(.unavailable)))
            informers.take(WatcherEvent<SecretMetadata>.interrupted(error(.transport)))
        }
        #expect(
            lines.texts == [
                "warning watch interrupted wrappedsecrets ", "warning watch interrupted wrappedsecrets ",
                "warning watch interrupted secrets ",
            ])
        lines.clear()
        for _ in 0..<3 { informers.take(WatcherEvent<WrappedSecret>.resumed) }
        informers.take(WatcherEvent<SecretMetadata>.committed(resourceVersion: "1"))
        informers.take(WatcherEvent<SecretMetadata>.interrupted(error(.expired)))
        informers.take(WatcherEvent<SecretMetadata>.resumed)
        #expect(
            lines.texts == [
                "info watch recovered wrappedsecrets ", "info watch recovered secrets ",
            ])
    }

    @Test("An outage of the server is one for all namespaces, and what is refused in one is said of each")
    func namespaces() {
        let lines = LogLines()
        let outages = WatchOutages()
        let informers = (0..<1000).map {
            Informers(queue: WorkQueue(), namespace: "n\($0)", logger: lines.logger, outages: outages)
        }
        for one in informers {
            one.take(WatcherEvent<WrappedSecret>.interrupted(error(.tooManyRequests)))
            one.take(WatcherEvent<SecretMetadata>.interrupted(error(.tooManyRequests)))
        }
        #expect(lines.texts.count == 2, "one for each kind of object")
        informers[7].take(WatcherEvent<SecretMetadata>.interrupted(error(.forbidden)))
        informers[8].take(WatcherEvent<SecretMetadata>.interrupted(error(.forbidden)))
        #expect(lines.texts.count == 4)
        lines.clear()
        for one in informers.dropLast() { one.take(WatcherEvent<SecretMetadata>.resumed) }
        #expect(lines.texts.count == 2, "the two that were refused: \(lines.texts)")
        informers[999].take(WatcherEvent<SecretMetadata>.resumed)
        #expect(lines.texts.count == 3, "the last one ends the outage: \(lines.texts)")
    }

    @Test("What a person has to mend comes with what to do")
    func hints() {
        let lines = LogLines()
        let informers = Informers(queue: WorkQueue(), logger: lines.logger)
        informers.take(WatcherEvent<WrappedSecret>.interrupted(error(.notFound)))
        informers.take(WatcherEvent<SecretMetadata>.interrupted(error(.forbidden)))
        let said = lines.texts
        #expect(said.first?.contains("kubectl apply --server-side -f manifests/crds/") == true, "\(said)")
        #expect(said.last?.contains("list and watch of secrets") == true, "\(said)")
    }
}
