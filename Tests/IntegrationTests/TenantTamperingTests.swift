import Foundation
import HTTPTypes
import KubeClient
import Resources
import Testing

extension TenantAttempts {
    /// Data that the tenant puts into a Secret of the controller is found, whatever the metadata of the Secret claims.
    @Suite struct TenantTamperingTests {
        static let policies = ["Owner", "Orphan", "Merge"]

        enum Forgery: String, CaseIterable, CustomTestStringConvertible {
            /// Writes data, then the `managedFields` of before, under its own name or that of the controller.
            case putsManagedFieldsBack, putsManagedFieldsBackAsTheController
            /// Writes data under the name of the controller, in the clock second of the controller's write.
            case writesAsTheController
            var testDescription: String { rawValue }
        }

        static let cases = Forgery.allCases.flatMap { forgery in policies.map { (forgery, $0) } }

        /// The controller is paused during the forgery, so that it sees one change, as after a lost race.
        @Test(arguments: cases)
        func forgedDataIsCorrectedWhileTheControllerRuns(_ forgery: Forgery, policy: String) async throws {
            try await TenantStage.attempt { stage in
                var corrections: [Duration] = []
                for attempt in 0..<12 where corrections.isEmpty {
                    let value = "right-\(attempt)"
                    let secret = try await stage.tenant.syncTarget("forged", policy, value)
                    let isInTime = try await stage.controller.paused {
                        try await forge(forgery, secret, stage.tenant)
                    }
                    let start = ContinuousClock.now
                    try await stage.tenant.namespace.secret(secret, until: "is corrected") {
                        $0.values["password"] == value
                    }
                    if isInTime { corrections.append(ContinuousClock.now - start) }
                }
                let correction = try #require(
                    corrections.first, "no write was in the second of the controller's")
                #expect(correction < .seconds(2))
            }
        }

        /// Returns true if the metadata does not show the change.
        private func forge(_ forgery: Forgery, _ secret: String, _ tenant: HostileTenant) async throws -> Bool
        {
            switch forgery {
            case .putsManagedFieldsBack:
                try await tenant.forgeWithOldManagedFields(secret)
                return true
            case .putsManagedFieldsBackAsTheController:
                try await tenant.forgeWithOldManagedFields(
                    secret, query: [("fieldManager", "secrets-bridge")])
                return true
            case .writesAsTheController:
                let before = try await tenant.controllersWrite(secret)
                try await tenant.forge(secret, as: before)
                return try await tenant.controllersWrite(secret) == before
            }
        }

        @Test func forgedDataIsCorrectedWithoutAPauseOfTheController() async throws {
            try await TenantStage.attempt { stage in
                let tenant = stage.tenant
                for attempt in 0..<5 {
                    let value = "right-\(attempt)"
                    try await tenant.sync("raced", ["password": value])
                    try await tenant.forgeWithOldManagedFields("raced")
                    try await tenant.namespace.secret("raced", until: "is corrected") {
                        $0.values == ["password": value]
                    }
                }
                // A correction that came between the two writes of the forgery is not the last word.
                try await stage.victims.expectServed("after the forgeries")
                #expect(try await tenant.namespace.secret("raced")?.values == ["password": "right-4"])
            }
        }

        @Test func forgedDataIsCorrectedAfterARestart() async throws {
            try await TenantStage.attempt { stage in
                let tenant = stage.tenant
                var secrets: [String] = []
                for policy in Self.policies {
                    secrets.append(
                        try await tenant.syncTarget("forged-\(policy.lowercased())", policy, "right"))
                }
                try await stage.controller.stop()
                for secret in secrets { try await tenant.forgeWithOldManagedFields(secret) }
                try await stage.controller.start()
                for secret in secrets {
                    try await tenant.namespace.secret(secret, until: "is corrected") {
                        $0.values["password"] == "right"
                    }
                }
            }
        }

        /// The proof of the data reads the Secret, which costs a tenant's namespace no data keys.
        @Test func labelsOnSecretsCostNoUnwraps() async throws {
            try await TenantStage.attempt { stage in
                let tenant = stage.tenant
                let names = (0..<30).map { "quiet-\($0)" }
                for name in names { try await tenant.apply(name) }
                for name in names { try await tenant.namespace.reconciled(name) }
                try await stage.controller.restart()
                try await stage.victims.expectServed("after the restart")
                let victims = try await stage.controller.unwraps()
                #expect(
                    victims <= 12,
                    "a restart over unchanged Secrets unwraps no data keys but those of the changes")
                func label(_ value: String) async throws -> Double {
                    for name in names {
                        try await tenant.merge(
                            .secrets, name, #"{"metadata":{"labels":{"example.org/mark":"\#(value)"}}}"#)
                    }
                    return try await quiet(stage.controller)
                }
                // Verification in the background may unwrap each once, because this process has not written it.
                let first = try await label("x")
                #expect(first <= victims + Double(names.count) + 2)
                let second = try await label("y")
                #expect(second <= first + 2, "Secrets that were proved need no data keys")
            }
        }

        /// Returns the number of unwraps after it was constant for two seconds.
        private func quiet(_ controller: ControllerProcess) async throws -> Double {
            var last = -1.0
            while true {
                let unwraps = try await controller.unwraps()
                guard unwraps != last else { return unwraps }
                last = unwraps
                try await Task.sleep(for: .seconds(2))
            }
        }

        /// Tenants cannot patch a status; a user with more rights can.
        @Test(arguments: [
            #"{"conditions":[{"type":"Ready","status":"False","reason":"Forged","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}"#,
            #"{"observedGeneration":0}"#, #"{"conditions":null}"#, #"{"secret":null}"#,
        ])
        func aStatusOfAnotherWriterIsCorrected(status: String) async throws {
            try await TenantStage.attempt { stage in
                let namespace = stage.tenant.namespace
                try await stage.tenant.sync("reported", ["password": "right"])
                _ = try await stage.cluster.admin.patch(
                    WrappedSecret.resource, namespace.ref("reported"), subresource: "status",
                    .merge(body: Array(#"{"status":\#(status)}"#.utf8)), fieldManager: "kubectl")
                try await eventually("the status is corrected", within: .seconds(5)) {
                    try await namespace.reconciled("reported").status?.secret != nil
                }
            }
        }
    }
}

extension HostileTenant {
    /// Creates a WrappedSecret of this policy, waits until its Secret has the value, and returns the name of the Secret.
    func syncTarget(_ name: String, _ policy: String, _ value: String) async throws -> String {
        guard policy == "Merge" else {
            try await sync(name, ["password": value], policy: policy)
            return name
        }
        let target = "\(name)-target"
        if try await namespace.secret(target) == nil {
            try await secret(target, #""annotations":{"secrets-bridge.io/allow":"merge"}"#)
        }
        try await sync(name, ["password": value], secret: target, policy: policy)
        return target
    }

    /// Writes data, then the `managedFields` of before.
    func forgeWithOldManagedFields(_ secret: String, query: [(String, String)] = []) async throws {
        let before = try await metadata(.secrets, secret, "managedFields")
        try await merge(.secrets, secret, #"{"data":\#(Self.data("forged"))}"#, query: query)
        try await patch(
            .secrets, secret, #"[{"op":"replace","path":"/metadata/managedFields","value":\#(before)}]"#)
    }

    /// An entry of `managedFields`.
    struct Write: Decodable, Equatable {
        let manager: String
        let operation: String
        let time: String
    }

    /// Returns the controller's last write of a Secret.
    func controllersWrite(_ secret: String) async throws -> Write {
        let entries = try JSONDecoder().decode(
            [Write].self, from: Data(try await metadata(.secrets, secret, "managedFields").utf8))
        return try #require(
            entries.filter { $0.manager.hasPrefix("secrets-bridge") }.max { $0.time < $1.time })
    }

    /// Writes forged data to a Secret as the controller does.
    func forge(_ secret: String, as write: Write) async throws {
        let data = Self.data("forged")
        guard write.operation == "Apply" else {
            try await merge(.secrets, secret, #"{"data":\#(data)}"#, query: [("fieldManager", write.manager)])
            return
        }
        // Server-side apply removes the fields that it omits.
        let metadata = try #require(try await namespace.secret(secret)).metadata
        let annotations = metadata.annotations?.filter { $0.key != OwnershipMetadata.allowAnnotation }
        let object = SecretMetadata(name: secret, labels: metadata.labels, annotations: annotations)
        let encoder = JSONEncoder()
        // Server-side apply reads YAML, which does not have the escape \/.
        encoder.outputFormatting = .withoutEscapingSlashes
        let json = String(decoding: try encoder.encode(object), as: UTF8.self)
        try await send(
            .patch, .secrets, secret, query: [("fieldManager", write.manager), ("force", "true")],
            body: Array(#"{"apiVersion":"v1","kind":"Secret","metadata":\#(json),"data":\#(data)}"#.utf8),
            type: Self.serverSideApply)
    }

    private struct SecretMetadata: Encodable {
        let name: String
        let labels: [String: String]?
        let annotations: [String: String]?
    }
}
