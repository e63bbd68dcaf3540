import HTTPTypes
import KubeClient
import Resources
import Testing

extension TenantAttempts {
    /// `managedFields` that only the API server should write. The controller reads those of Secrets.
    @Suite struct TenantManagedFieldsTests {
        @Test(arguments: attempts) func doNotStopTheController(_ attempt: TenantAttempt) async throws {
            try await attempt.expectNoHarm()
        }

        private static let objectVersion = "secrets-bridge.io/v1alpha1"

        static let attempts = [
            TenantAttempt("600 levels in a WrappedSecret", ["deep": .synced]) { tenant in
                try await tenant.apply("deep")
                try await tenant.patch(WrappedSecret.resource, "deep", patch(nested(600), objectVersion))
            },
            TenantAttempt("600 levels in a Secret") { tenant in
                try await tenant.secret("deep")
                try await tenant.patch(.secrets, "deep", patch(nested(600)))
            },
            TenantAttempt("9,000 levels, the limit of the API server's decoder", ["deeper": .synced]) {
                tenant in
                try await tenant.apply("deeper")
                try await tenant.patch(WrappedSecret.resource, "deeper", patch(nested(9000), objectVersion))
                try await tenant.secret("deeper-secret")
                try await tenant.patch(.secrets, "deeper-secret", patch(nested(9000)))
            },
            // kubectl apply sends this for a manifest that was exported with its managedFields.
            TenantAttempt("600 levels at the creation", ["deep": .synced]) { tenant in
                let manifest = String(decoding: try await tenant.wrap("deep").json(), as: UTF8.self)
                try await tenant.delete(WrappedSecret.resource, "deep")
                try await tenant.send(
                    .post, WrappedSecret.resource,
                    body: Array(
                        manifest.replacing(
                            #""metadata":{"#,
                            with: #""metadata":{"managedFields":[\#(entry(nested(600), objectVersion))],"#
                        ).utf8))
            },
            TenantAttempt("40,000 fields of one manager") { tenant in
                let fields = (0..<40_000).map { #""f:field-\#($0)":{}"# }.joined(separator: ",")
                try await tenant.secret("wide")
                try await tenant.patch(.secrets, "wide", patch("{\(fields)}"))
            },
            TenantAttempt("keys with JSON in them: deep, out of range, or long by escapes") { tenant in
                let keys = [
                    "f:" + String(repeating: "<", count: 700_000),
                    #"k:{\"name\":"# + String(repeating: #"{\"a\":"#, count: 600) + "1"
                        + String(repeating: "}", count: 601),
                    "v:1e999999", "v:9223372036854775808", "i:-99999999999999999999",
                ]
                for (number, key) in keys.enumerated() {
                    try await tenant.secret("strange-\(number)")
                    // Some are no paths for the API server.
                    try await tenant.tolerating(.badRequest, .invalid, .internalError) {
                        try await tenant.patch(
                            .secrets, "strange-\(number)", patch(#"{"\#(key)":{},"f:data":{"\#(key)":{}}}"#))
                    }
                }
            },
            TenantAttempt("3,000 managers") { tenant in
                let entries = (0..<3000).map {
                    entry(#"{"f:data":{"f:password":{}}}"#, manager: "manager-\($0)")
                }
                try await tenant.secret("managers", value: "x")
                try await tenant.patch(.secrets, "managers", patch(entries: entries))
            },
            TenantAttempt(
                "the controller's manager twice, no time, and times out of range", ["managers": .synced]
            ) { tenant in
                let times = [
                    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-01-01T00:00:00+14:00", nil,
                ]
                func entries(_ fields: String, _ version: String) -> [String] {
                    times.map { entry(fields, version, manager: "secrets-bridge", time: $0) }
                        + [
                            entry(fields, version, manager: ""),
                            entry("{}", version, manager: "secrets-bridge-0"),
                        ]
                }
                try await tenant.apply("managers")
                try await tenant.secret("managers-secret", value: "x")
                try await tenant.patch(
                    .secrets, "managers-secret",
                    patch(entries: entries(#"{"f:data":{".":{},"f:password":{}}}"#, "v1")))
                try await tenant.patch(
                    WrappedSecret.resource, "managers",
                    patch(entries: entries(#"{"f:spec":{"f:mac":{}}}"#, objectVersion)))
            },
            TenantAttempt("a manager whose name has 1.4 MB, and six times as much on the wire") { tenant in
                let name = String(repeating: "<", count: 1_400_000)
                try await tenant.secret("manager")
                // Later API servers limit the name.
                try await tenant.tolerating(.invalid) {
                    try await tenant.patch(.secrets, "manager", patch(entries: [entry("{}", manager: name)]))
                }
            },
        ]

        private static func nested(_ depth: Int) -> String {
            String(repeating: #"{"f:a":"#, count: depth) + "{}" + String(repeating: "}", count: depth)
        }

        private static func entry(
            _ fields: String, _ version: String = "v1", manager: String = "tenant",
            time: String? = "2026-01-01T00:00:00Z"
        ) -> String {
            let time = time.map { #""time":"\#($0)","# } ?? ""
            return #"{"manager":"\#(manager)","operation":"Update","apiVersion":"\#(version)",\#(time)"#
                + #""fieldsType":"FieldsV1","fieldsV1":\#(fields)}"#
        }

        private static func patch(_ fields: String, _ version: String = "v1") -> String {
            patch(entries: [entry(fields, version)])
        }

        private static func patch(entries: [String]) -> String {
            #"[{"op":"add","path":"/metadata/managedFields","value":[\#(entries.joined(separator: ","))]}]"#
        }
    }
}
