import Foundation
import Resources
import Testing

/// The requests of a restart, by the audit logs of the API server and of OpenBao.
@Suite(.onRealServers, .dedicatedOpenBao, .serialized)
struct VaultRestartTests {
    private let count = 1000

    @Test func aRestartOverAThousandSyncedObjectsNeedsNoWriteAndNoUnwrap() async throws {
        let bao = try DedicatedOpenBao.required()
        let settings = try await bao.podSettings()
        let developer = try await bao.key("developer")
        try await TestNamespace.withShared { namespace in
            try await namespace.applyAll((0..<count).map { "db-\($0)" }, with: developer) { "value of \($0)" }
            try await ControllerProgram.with(namespace, settings) { controller in
                try await eventually("all are synced", within: .seconds(240)) {
                    try await namespace.syncedCount() == count
                }
                // Events of the last writes may still be in flight.
                try await allAreLookedAt(controller)
            }

            var log = try AuditLog(namespace)
            var entries = try bao.auditEntries()
            try await ControllerProgram.with(namespace, settings) { controller in
                try await allAreLookedAt(controller)
                let requests = try log.requests()
                #expect(requests.filter(\.isWrite).isEmpty)
                let resources = ["wrappedsecrets", "secrets", "keyproviders"]
                for resource in resources {
                    let own = requests.filter { $0.resource == resource }
                    #expect(own.contains { $0.verb == "watch" }, "\(own)")
                    #expect(own.count <= 4, "\(own)")
                }
                #expect(requests.allSatisfy { resources.contains($0.resource) })
                #expect(try await unwraps(bao, from: entries) == 0)
            }

            try await namespace.apply("db-7", ["k": "changed during the downtime"], with: developer)
            (log, entries) = (try AuditLog(namespace), try bao.auditEntries())
            try await ControllerProgram.with(namespace, settings) { controller in
                try await allAreLookedAt(controller)
                try await namespace.secret("db-7", until: "has the new value") {
                    $0.values == ["k": "changed during the downtime"]
                }
                try await namespace.reconciled("db-7")
                try await eventually("the event is sent") {
                    try log.requests().contains { $0.resource == "events" }
                }
                let requests = try log.requests()
                let writes = requests.filter { $0.isWrite && $0.resource != "events" }.map(\.description)
                #expect(writes == ["patch secrets db-7", "patch wrappedsecrets/status db-7"])
                #expect(requests.count { $0.resource == "events" } == 1)
                #expect(requests.filter { !$0.isWrite }.count <= 12, "\(requests)")
                #expect(try await unwraps(bao, from: entries) == 1)
            }
        }
    }

    private func allAreLookedAt(_ controller: ControllerProgram) async throws {
        let status = try controller.status()
        try await eventually("all are looked at", within: .seconds(240)) {
            guard try await status.get("/readyz").status == 200 else { return false }
            let waiting = try await status.metric("secretsbridge_workqueue_depth")
            return controller.log.contains("caches complete") && waiting == 0
        }
    }

    /// Returns the number of unwrap requests for objects. The self-test sends one more per process.
    private func unwraps(_ bao: OpenBao, from entry: Int) async throws -> Int {
        try await eventually("the self-test is finished") {
            let requests = try bao.requests("transit/decrypt/sb-wrap", from: entry)
            return requests > 0 ? requests - 1 : nil
        }
    }
}
