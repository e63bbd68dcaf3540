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
