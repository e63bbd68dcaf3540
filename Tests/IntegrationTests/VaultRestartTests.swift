import Foundation
import Resources
import Testing

/// What a restart costs, as the API server and OpenBao wrote it down themselves.
@Suite("Vault restart", .onRealServers, .dedicatedOpenBao, .serialized)
struct VaultRestartTests {
    private let count = 1000

    @Test(
        "A restart over 1,000 objects in sync: no write, no unwrap, few lists and watches; of one that changed, its own work"
    )
    func restart() async throws {
        let bao = try DedicatedOpenBao.required()
        let settings = try await bao.podSettings()
        let developer = try await bao.key("developer")
        try await TestNamespace.withShared { namespace in
            try await namespace.applyAll((0..<count).map { "db-\($0)" }, with: developer) { "value of \($0)" }
            try await ControllerProgram.with(namespace, settings) { controller in
                try await eventually("all are synced", within: .seconds(240)) {
                    try await namespace.syncedCount() == count
                }
                // Events of what was written last may be on their way still.
                try await allAreLookedAt(controller)
            }

            var log = try AuditLog(namespace)
            var entries = try bao.auditEntries()
            try await ControllerProgram.with(namespace, settings) { controller in
                try await allAreLookedAt(controller)
                let requests = try log.requests()
                #expect(requests.filter(\.isWrite).isEmpty)
                for resource in ["wrappedsecrets", "secrets"] {
                    let own = requests.filter { $0.resource == resource }
                    #expect(own.contains { $0.verb == "watch" } && own.count <= 4, "\(own)")
                }
                #expect(requests.allSatisfy { ["wrappedsecrets", "secrets"].contains($0.resource) })
                #expect(try await unwraps(bao, from: entries) == 0)
            }

            try await namespace.apply("db-7", ["k": "changed while nobody looked"], with: developer)
            (log, entries) = (try AuditLog(namespace), try bao.auditEntries())
            try await ControllerProgram.with(namespace, settings) { controller in
                try await allAreLookedAt(controller)
                try await namespace.secret("db-7", until: "has the new value") {
                    $0.values == ["k": "changed while nobody looked"]
                }
                try await namespace.reconciled("db-7")
                try await eventually("an event tells of it") {
                    try log.requests().contains { $0.resource == "events" }
                }
                let requests = try log.requests()
                let writes = requests.filter { $0.isWrite && $0.resource != "events" }.map(\.description)
                #expect(writes == ["patch secrets db-7", "patch wrappedsecrets/status db-7"])
                #expect(requests.count { $0.resource == "events" } == 1)
                #expect(requests.filter { !$0.isWrite }.count <= 8, "\(requests)")
                #expect(try await unwraps(bao, from: entries) == 1)
            }
        }
    }

    private func allAreLookedAt(_ controller: ControllerProgram) async throws {
        let status = try controller.status()
        try await eventually("all are looked at", within: .seconds(240)) {
            guard try await status.get("/readyz").status == 200 else { return false }
            let series = #"secretsbridge_reconcile_total{result="success",reason=""}"#
            let looked = try await status.metric(series) ?? 0
            let waiting = try await status.metric("secretsbridge_workqueue_depth")
            return looked >= Double(count) && waiting == 0
        }
    }

    /// Requests for data keys of objects. The self-test makes one more in the life of a process.
    private func unwraps(_ bao: OpenBao, from entry: Int) async throws -> Int {
        try await eventually("the self-test is over") {
            let requests = try bao.requests("transit/decrypt/sb-wrap", from: entry)
            return requests > 0 ? requests - 1 : nil
        }
    }
}
