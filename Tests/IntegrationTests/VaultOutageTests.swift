import Envelope
import Foundation
import KubeClient
import Resources
import Testing

/// `vault-transit` during an outage of OpenBao and afterwards.
@Suite(.onRealServers, .dedicatedOpenBao, .serialized)
struct VaultOutageTests {
    @Test func recoversFromAnOutageOfVaultWithinTenSeconds() async throws {
        let bao = try DedicatedOpenBao.required()
        let settings = try await bao.podSettings()
        try await TestNamespace.withShared { namespace in
            try await ControllerProgram.with(namespace, settings) { controller in
                let names = (0..<20).map { "db-\($0)" }
                let late = (0..<20).map { "late-\($0)" }
                let developer = try await bao.key("developer")
                try await namespace.applyAll(names, with: developer) { $0 }
                try await eventually("all are synced") { try await namespace.syncedCount() == names.count }
                var manifests: [Manifest] = []
                for name in late {
                    manifests.append(try await namespace.wrap(name, ["k": name], with: developer))
                }

                try await bao.script("stop")
                let counter = try ConnectionCounter(port: bao.port)
                let end = ContinuousClock.now + .seconds(30)
                for manifest in manifests { try await namespace.apply(manifest) }
                // Another writer damages half of the synced Secrets, so that they need Vault too.
                for name in names.prefix(10) {
                    try await namespace.kubectl(
                        "patch", "secret", name, "-p", #"{"stringData":{"other":"v"}}"#)
                }
                for name in late + names.prefix(10) { try await namespace.reconciled(name, .kmsUnavailable) }
                try await Task.sleep(until: end)
                let attempts = counter.stop()
                // One probe at a time, at most 3 s apart, although 30 objects wait for 30 s. A few requests may be in
                // flight at the start.
                #expect((5...60).contains(attempts), "\(attempts) connections in 30 s")
                print("an outage of 30 s, 30 objects waiting: \(attempts) connections")
                try await secretsAreWhole(namespace, names)

                try await bao.script("start-sealed")
                let message = try await eventually("the status says that it is sealed") {
                    let message = try await namespace.wrappedSecret(late[0]).status?.condition(.ready)?
                        .message
                    return message?.contains("sealed") == true ? message : nil
                }
                #expect(message.contains(bao.address))
                try await Task.sleep(for: .seconds(5))
                try await secretsAreWhole(namespace, names)

                try await bao.script("unseal")
                let back = ContinuousClock.now
                try await eventually("all are Ready again", within: .seconds(10)) {
                    try await namespace.syncedCount() == names.count + late.count
                }
                print("all Ready \(ContinuousClock.now - back) after it was unsealed")
                for name in names + late {
                    #expect(try await namespace.secret(name)?.values == ["k": name])
                }
            }
        }
    }

    private func secretsAreWhole(_ namespace: TestNamespace, _ names: [String]) async throws {
        for name in names { #expect(try await namespace.secret(name)?.values["k"] == name) }
    }

    @Test func startsWithoutVaultAndLogsWhenTheKeyIsReady() async throws {
        let bao = try DedicatedOpenBao.required()
        let settings = try await bao.podSettings()
        try await TestNamespace.withShared { namespace in
            try await namespace.apply("db", ["k": "v"], with: try await bao.key("developer"))
            try await bao.script("stop")
            try await ControllerProgram.with(namespace, settings) { controller in
                try await namespace.reconciled("db", .kmsUnavailable)
                try await eventually("the failure is logged") {
                    try controller.kmsLogLines().contains { $0.msg == "keymgmt backend not ready" }
                }
                #expect(try !controller.kmsLogLines().contains { $0.msg == "keymgmt backend ready" })
                try await bao.script("start")
                try await namespace.reconciled("db")
                try await eventually("the key is logged") {
                    try controller.kmsLogLines().contains { $0.msg == "keymgmt backend ready" }
                }
            }
        }
    }
}
