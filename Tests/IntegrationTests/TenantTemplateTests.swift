import Foundation
import HTTPTypes
import KubeClient
import Resources
import Testing

extension TenantAttempts {
    /// Types and metadata whose Secret has an effect outside of the namespace, and fields that do not exist.
    @Suite struct TenantTemplateTests {
        @Test(arguments: [
            "kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token", "helm.sh/release.v1",
        ])
        func aForbiddenTypeIsNotCreated(type: String) async throws {
            try await TenantStage.attempt { stage in
                var manifest = try await stage.tenant.wrap("token", ["token-id": "canary"])
                manifest.spec.template = .init(
                    metadata: .init(annotations: ["example.org/account": "tenant"]), type: type)
                try await stage.tenant.expectBlocked(manifest, .forbiddenType, mayBeInvalid: true)
            }
        }

        /// The token controller of the cluster fills a Secret that names a service account.
        @Test func aServiceAccountIsNotNamed() async throws {
            try await expectBlocked(["kubernetes.io/service-account.name"]) {
                .init(annotations: [$0: "tenant"])
            }
        }

        @Test func aReleaseOfHelmIsNotMade() async throws {
            try await TenantStage.attempt { stage in
                let tenant = stage.tenant
                let name = "sh.helm.release.v1.app.v1"
                try await tenant.expectBlocked(try await tenant.wrap("release", secret: name), .invalidSpec)
                var labelled = try await tenant.wrap("labelled")
                labelled.spec.template = .init(metadata: .init(labels: ["owner": "helm"]))
                try await tenant.expectBlocked(labelled, .invalidSpec)
            }
        }

        /// Labels and annotations by which other controllers copy a Secret into other namespaces or clusters, and by which tools
        /// find what they own.
        @Test func aLabelOfAnotherToolIsNotSet() async throws {
            let others = [
                "secrets-bridge.io/", "argocd.argoproj.io/instance", "app.kubernetes.io/managed-by",
                "objectset.rio.cattle.io/hash",
            ]
            try await expectBlocked(DefaultDenyList.metadataPrefixes + others) { .init(labels: [$0: "x"]) }
        }

        @Test func anAnnotationOfAnotherToolIsNotSet() async throws {
            let others = [
                "secrets-bridge.io/", "meta.helm.sh/", "argocd.argoproj.io/tracking-id",
                "kubectl.kubernetes.io/last-applied-configuration",
            ]
            try await expectBlocked(DefaultDenyList.metadataPrefixes + others) {
                .init(annotations: [$0: "x"])
            }
        }

        /// Expects that no template with one of these keys, which may be prefixes, makes a Secret.
        private func expectBlocked(
            _ prefixes: [String], _ metadata: (String) -> Manifest.Template.Metadata
        ) async throws {
            try await TenantStage.attempt { stage in
                for (number, prefix) in prefixes.enumerated() {
                    var manifest = try await stage.tenant.wrap("metadata-\(number)")
                    manifest.spec.template = .init(
                        metadata: metadata(prefix.hasSuffix("/") ? "\(prefix)x" : prefix))
                    try await stage.tenant.expectBlocked(manifest, .invalidSpec, mayBeInvalid: true)
                }
            }
        }

        /// A template has no namespace: the API server drops the field, or the controller ignores it.
        @Test(arguments: ["namespace", "ownerReferences", "finalizers", "uid"])
        func aTemplateHasNoOtherMetadata(field: String) async throws {
            try await TenantStage.attempt { stage in
                let (tenant, foreign) = (stage.tenant, stage.victims.namespace)
                let manifest = try await tenant.wrap("placed", secret: "placed")
                let value = ["namespace": #""\#(foreign.name)""#, "uid": #""x""#][field] ?? "[]"
                let json = String(decoding: try manifest.json(), as: UTF8.self)
                    .replacing(
                        #""metadata":{"name":"placed"}"#,
                        with: #""metadata":{"\#(field)":\#(value),"name":"placed"}"#)
                try #require(json.contains(value))
                // Strict validation refuses unknown fields.
                let isStored = try await tenant.tolerating(.invalid) {
                    try await tenant.send(.post, WrappedSecret.resource, body: Array(json.utf8))
                }
                if isStored { try await tenant.namespace.reconciled("placed") }
                #expect(try await foreign.secret("placed") == nil)
                let secret = try await tenant.namespace.secret("placed")
                #expect(secret?.metadata.ownerReferences?.map(\.name) ?? ["placed"] == ["placed"])
            }
        }

        /// The MAC covers the entries. A template chooses the text around them, and nothing else.
        @Test(arguments: [
            "{{ .other }}", "{{ env \"SB_WRAP_MASTER_KEY\" }}", "{{ readFile \"/etc/passwd\" }}",
            "{{ (lookup \"v1\" \"Secret\" \"victim\" \"db\").data }}", "{{ include \"x\" . }}", "{{ .. }}",
            "{{",
        ])
        func aTemplateReadsNothingElse(template: String) async throws {
            try await TenantStage.attempt { stage in
                var manifest = try await stage.tenant.wrap("rendered")
                manifest.spec.template = .init(data: ["file": template])
                try await stage.tenant.expectBlocked(manifest, .invalidSpec, mayBeInvalid: true)
            }
        }
    }
}
