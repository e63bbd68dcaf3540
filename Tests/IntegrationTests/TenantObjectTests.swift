import HTTPTypes
import KubeClient
import Resources
import Testing

extension TenantAttempts {
    /// Objects that keep the controller busy: invalid, large, contested, held or changing all the while.
    @Suite struct TenantObjectTests {
        @Test(arguments: attempts) func delayNoOtherNamespace(_ attempt: TenantAttempt) async throws {
            try await attempt.expectNoHarm()
        }

        static let attempts = [
            TenantAttempt("a WrappedSecret and a Secret that never finish terminating") { tenant in
                for resource in [WrappedSecret.resource, Resource.secrets] {
                    let exists = try await tenant.tolerating(.notFound) {
                        try await tenant.send(.get, resource, HostileTenant.held)
                    }
                    if !exists {
                        if resource == .secrets {
                            try await tenant.secret(
                                HostileTenant.held, #""finalizers":["example.org/never"]"#)
                        } else {
                            try await tenant.apply(HostileTenant.held)
                            try await tenant.merge(
                                resource, HostileTenant.held,
                                #"{"metadata":{"finalizers":["example.org/never"]}}"#)
                        }
                        try await tenant.send(.delete, resource, HostileTenant.held)
                    }
                }
            },
            TenantAttempt(
                "objects that the controller refuses, each for another reason",
                [
                    "mac": .integrityFailed, "format": .unsupportedFormat, "data": .integrityFailed,
                    "recipient": .noUsableRecipient, "name": .decryptFailed,
                ]
            ) { tenant in
                var manifest = try await tenant.wrap("mac")
                manifest.spec.mac = String(repeating: "A", count: 43) + "="
                try await tenant.apply(manifest)
                manifest = try await tenant.wrap("format")
                manifest.spec.format = "v99999999999999"
                try await tenant.apply(manifest)
                manifest = try await tenant.wrap("data")
                manifest.spec.data = ["password": String(repeating: "A", count: 40)]
                try await tenant.apply(manifest)
                manifest = try await tenant.wrap("recipient")
                manifest.spec.recipients = [
                    .init(
                        keyID: "local:" + String(repeating: "0", count: 64),
                        wrappedKey: String(repeating: "A", count: 80))
                ]
                try await tenant.apply(manifest)
                manifest = try await tenant.wrap("name")
                manifest.spec.template = .init(metadata: .init(name: "not-wrapped-for-this"))
                try await tenant.apply(manifest)
            },
            TenantAttempt(
                "the largest objects that etcd accepts, with data that the MAC does not cover",
                ["large-0": .integrityFailed]
            ) { tenant in try await tenant.applyLarge(count: 8) },
            TenantAttempt("two WrappedSecrets for one Secret that allows its adoption") { tenant in
                try await tenant.secret(
                    "contested",
                    #""labels":{"secrets-bridge.io/managed":"true"},"annotations":{"secrets-bridge.io/allow":"adopt"}"#
                )
                for name in ["first", "second"] {
                    try await tenant.apply(name, ["password": name], secret: "contested", policy: "Orphan")
                }
            },
            TenantAttempt("30 merges into a Secret that does not exist", ["merge-29": .secretMissing]) {
                tenant in
                for number in 0..<30 {
                    try await tenant.apply("merge-\(number)", secret: "missing", policy: "Merge")
                }
            },
            TenantAttempt("changes of one object, as fast as the API server accepts them") { tenant in
                try await tenant.apply("churn")
                for number in 0..<30 {
                    try await tenant.merge(
                        WrappedSecret.resource, "churn",
                        #"{"metadata":{"annotations":{"secrets-bridge.io/sync":"\#(number)"}}}"#)
                }
            },
            TenantAttempt("values of its own in a Secret that the controller owns, again and again") {
                tenant in
                try await tenant.apply("forged")
                try await tenant.namespace.secret("forged", until: "exists") { _ in true }
                let fields = try await tenant.metadata(.secrets, "forged", "managedFields")
                try await tenant.merge(.secrets, "forged", #"{"data":\#(HostileTenant.data("forged"))}"#)
                try await tenant.patch(
                    .secrets, "forged",
                    #"[{"op":"replace","path":"/metadata/managedFields","value":\#(fields)}]"#)
            },
        ]
    }
}

extension HostileTenant {
    /// Writes the largest objects that etcd accepts.
    func applyLarge(count: Int) async throws {
        let ciphertext = String(repeating: "A", count: 1_390_000)
        for number in 0..<count {
            var manifest = try await wrap("large-\(number)")
            manifest.spec.data = ["password": "CIPHERTEXT"]
            let json = String(decoding: try manifest.json(), as: UTF8.self)
            try await put(
                WrappedSecret.resource, manifest.metadata.name,
                json.replacing("CIPHERTEXT", with: ciphertext))
        }
    }
}
