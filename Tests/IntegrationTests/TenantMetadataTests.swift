import HTTPTypes
import KubeClient
import Resources
import Testing

extension TenantAttempts {
    /// Metadata that is as long or as strange as the API server stores it.
    @Suite struct TenantMetadataTests {
        @Test(arguments: attempts) func doesNotStopTheController(_ attempt: TenantAttempt) async throws {
            try await attempt.expectNoHarm()
        }

        private static let managed = #""labels":{"secrets-bridge.io/managed":"true"}"#

        static let attempts = [
            TenantAttempt("an owner whose name has 1.45 MB, and six times as much on the wire") { tenant in
                try await tenant.secret(
                    "owner", #"\#(managed),"ownerReferences":[\#(owner(length: 1_450_000))]"#)
            },
            TenantAttempt("an owner of a WrappedSecret whose name is as long", ["owner": .synced]) { tenant in
                try await tenant.apply("owner")
                try await tenant.merge(
                    WrappedSecret.resource, "owner",
                    #"{"metadata":{"ownerReferences":[\#(owner(length: 235_000))]}}"#)
            },
            TenantAttempt("2,000 owners", ["owners": .synced]) { tenant in
                let owners = (0..<2000).map { owner("owner-\($0)", uid: "\($0)") }.joined(separator: ",")
                try await tenant.secret("owners-secret", #"\#(managed),"ownerReferences":[\#(owners)]"#)
                try await tenant.apply("owners")
                try await tenant.merge(
                    WrappedSecret.resource, "owners", #"{"metadata":{"ownerReferences":[\#(owners)]}}"#)
            },
            TenantAttempt("5,000 annotations", ["annotations": .synced]) { tenant in
                let annotations = (0..<5000).map { #""a\#($0)":"""# }.joined(separator: ",")
                try await tenant.secret("annotations-secret", #"\#(managed),"annotations":{\#(annotations)}"#)
                try await tenant.apply("annotations")
                try await tenant.merge(
                    WrappedSecret.resource, "annotations", #"{"metadata":{"annotations":{\#(annotations)}}}"#)
            },
            TenantAttempt("5,000 labels, which etcd alone limits", ["labels": .synced]) { tenant in
                let value = String(repeating: "x", count: 60)
                let labels = (0..<5000).map { #""l\#($0)":"\#(value)""# }.joined(separator: ",")
                try await tenant.secret(
                    "labels-secret", #""labels":{"secrets-bridge.io/managed":"true",\#(labels)}"#)
                try await tenant.apply("labels")
                try await tenant.merge(
                    WrappedSecret.resource, "labels", #"{"metadata":{"labels":{\#(labels)}}}"#)
            },
            TenantAttempt("30,000 levels in the text of an annotation", ["text": .synced]) { tenant in
                let depth = 30_000
                let text =
                    String(repeating: #"{\"f:a\":"#, count: depth) + "{}"
                    + String(repeating: "}", count: depth)
                let annotations =
                    #""annotations":{"kubectl.kubernetes.io/last-applied-configuration":"\#(text)"}"#
                try await tenant.secret("text-secret", "\(managed),\(annotations)")
                try await tenant.apply("text")
                try await tenant.merge(WrappedSecret.resource, "text", #"{"metadata":{\#(annotations)}}"#)
            },
            TenantAttempt("generations beyond 64 bits, and no numbers", ["numbers": .synced]) { tenant in
                try await tenant.apply("numbers")
                let uid = try await tenant.metadata(WrappedSecret.resource, "numbers", "uid").dropFirst()
                    .dropLast()
                let generations = [
                    "9223372036854775807", "-9223372036854775808", "1000000000000000000000000000000", "",
                    "+1",
                    "0x10", "1e3", "\u{663}",
                ]
                for (number, generation) in generations.enumerated() {
                    let annotations = #""secrets-bridge.io/source":"\#(uid)/\#(generation)""#
                    try await tenant.secret(
                        "numbers-\(number)",
                        #"\#(managed),"annotations":{"secrets-bridge.io/wrapped-secret":"numbers",\#(annotations)}"#
                    )
                }
                try await tenant.namespace.secret("numbers", until: "exists") { _ in true }
                try await tenant.merge(
                    .secrets, "numbers",
                    #"{"metadata":{"annotations":{"secrets-bridge.io/source":"\#(uid)/9223372036854775807"}}}"#
                )
            },
            TenantAttempt("control characters, lone surrogates and invalid UTF-8", ["text": .synced]) {
                tenant in
                for text in [#"\u202egnp.evil"#, #"\u0000\u001b[2J\u009b31m"#, #"\ud800"#, #"\uffff\u2028"#] {
                    let patch =
                        #"{"metadata":{"annotations":{"secrets-bridge.io/sync":"\#(text)","example.org/text":"\#(text)"}}}"#
                    try await tenant.apply("text")
                    try await tenant.merge(WrappedSecret.resource, "text", patch)
                    try await tenant.secret("text-secret")
                    try await tenant.merge(.secrets, "text-secret", patch)
                }
                let invalid =
                    Array(#"{"metadata":{"annotations":{"example.org/text":""#.utf8) + [0xFF, 0xFE, 0xC3]
                    + Array(#""}}}"#.utf8)
                // Later API servers refuse it.
                try await tenant.tolerating(.badRequest, .invalid) {
                    try await tenant.send(
                        .patch, .secrets, "text-secret", body: invalid, type: HostileTenant.mergePatch)
                }
            },
        ]

        private static func owner(length: Int) -> String { owner(String(repeating: "<", count: length)) }

        private static func owner(
            _ name: String, uid: String = "00000000-0000-0000-0000-000000000000"
        ) -> String {
            #"{"apiVersion":"example.org/v1","kind":"Nothing","name":"\#(name)","uid":"\#(uid)"}"#
        }
    }
}
