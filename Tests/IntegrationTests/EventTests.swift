import Foundation
import KubeClient
import Resources
import TestSupport
import Testing

/// The events that `kubectl describe wsec` shows.
@Suite(.onRealServers, .serialized)
struct EventTests {
    private struct Event: Decodable {
        struct Involved: Decodable { var name: String }
        var type: String
        var reason: String
        var count: Int?
        var involvedObject: Involved
    }

    private struct Events: Decodable { var items: [Event] }

    private func events(_ namespace: TestNamespace, of name: String) async throws -> [String] {
        let text = try await namespace.kubectl("get", "events", "-o", "json")
        return try JSONDecoder().decode(Events.self, from: Data(text.utf8)).items
            .filter { $0.involvedObject.name == name }.map { "\($0.type) \($0.reason)" }.sorted()
    }

    @Test func sendsEventsForChangesAndFailuresAndNoneAfterARestart() async throws {
        try await TestNamespace.withShared { namespace in
            let environment = ["SB_WRAP_MASTER_KEY": namespace.masterKey]
            let expected = ["Normal Created", "Normal Repaired", "Normal Repaired", "Normal Updated"]
            try await ControllerProgram.with(namespace, environment) { controller in
                try await namespace.apply("db", ["k": "1"])
                try await namespace.reconciled("db")
                try await namespace.apply("db", ["k": "2"])
                try await namespace.secret("db", until: "is updated") { $0.values == ["k": "2"] }
                try await namespace.reconciled("db")
                try await namespace.kubectl("patch", "secret", "db", "-p", #"{"stringData":{"k":"other"}}"#)
                try await namespace.secret("db", until: "is repaired") { $0.values == ["k": "2"] }
                try await namespace.kubectl("delete", "secret", "db")
                try await namespace.secret("db", until: "is restored") { $0.values == ["k": "2"] }
                try await namespace.kubectl("create", "secret", "generic", "foreign", "--from-literal=k=v")
                try await namespace.apply("foreign", ["k": "ours"])
                try await namespace.reconciled("foreign", .secretConflict)
                try await eventually("all events are sent") {
                    let sent = try await events(namespace, of: "db")
                    return sent == expected
                }
                try await eventually("the event of the failure is sent") {
                    try await events(namespace, of: "foreign") == ["Warning SecretConflict"]
                }
                #expect(!controller.log.contains("event not written"))
            }
            let description = try await namespace.kubectl("describe", "wsec", "db")
            #expect(
                description.contains(
                    /Normal +Repaired .*secrets-bridge +Recreated the deleted Secret db/))

            try await ControllerProgram.with(namespace, environment) { _ in
                try await namespace.apply("fence", ["k": "1"])
                try await eventually("the event of the last object is sent") {
                    try await events(namespace, of: "fence") == ["Normal Created"]
                }
            }
            #expect(try await events(namespace, of: "db") == expected)
        }
    }

    @Test func worksWithoutThePermissionToWriteEventsAndLogsItOnce() async throws {
        try await TestNamespace.withShared { namespace in
            let folder = try TemporaryFolder()
            defer { withExtendedLifetime(folder) {} }
            let kubeconfig = folder.path("kubeconfig")
            try await namespace.installNamespacedRole(events: false)
            try await namespace.cluster.script("kubeconfig-for", "secrets-bridge", "split", kubeconfig)
            try await RunningController.with(namespace, kubeconfig: kubeconfig) { controller in
                for name in ["a", "b", "c"] {
                    try await namespace.apply(name, ["k": "1"])
                    try await namespace.reconciled(name)
                }
                try await controller.catchUp(namespace)
                #expect(
                    controller.log.lines.count { $0.hasPrefix("warning") && $0.contains("event not written") }
                        == 1)
            }
        }
    }
}
