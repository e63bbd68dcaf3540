import Envelope
import JSON
import KubeClient
import Testing

@testable import Resources

struct ProviderResolutionTests {
    /// The providers of one test.
    private struct Catalog: ProviderCatalog {
        var cluster: [String: Decoded<ClusterKeyProvider>] = [:]
        var local: [ObjectRef: Decoded<KeyProvider>] = [:]
        var labels: [String: [String: String]]? = [:]

        func clusterKeyProvider(_ name: String) -> Decoded<ClusterKeyProvider>? { cluster[name] }
        func keyProvider(_ ref: ObjectRef) -> Decoded<KeyProvider>? { local[ref] }
        func labels(ofNamespace name: String) -> [String: String]? { labels?[name] }
    }

    private let eu = ProviderRef(clusterKeyProvider: "eu")
    private let own = ProviderRef(keyProvider: ObjectRef(namespace: "payments", name: "own"))

    private func catalog(_ spec: String, keyProvider: String? = nil) throws -> Catalog {
        var catalog = Catalog()
        catalog.cluster["eu"] = try JSONReader.read(
            Decoded<ClusterKeyProvider>.self,
            from: Array(#"{"metadata":{"name":"eu","uid":"u1"},"spec":\#(spec)}"#.utf8))
        if let keyProvider {
            let text =
                #"{"metadata":{"name":"own","namespace":"payments","uid":"u2"},"spec":\#(keyProvider)}"#
            catalog.local[own.object] = try JSONReader.read(Decoded<KeyProvider>.self, from: Array(text.utf8))
        }
        return catalog
    }

    private func error(
        _ catalog: Catalog, _ provider: ProviderRef, namespace: String = "payments",
        denied: Set<String> = [], usesClusterScope: Bool = false
    ) -> ProviderError? {
        do throws(ProviderError) {
            _ = try ProviderResolution(catalog, deniedAudiences: denied).resolve(
                provider, for: namespace, usesClusterScope: usesClusterScope)
            return nil
        } catch {
            return error
        }
    }

    private let vault = #""vaultTransit":{"address":"https://v","key":"shared"}"#
    private let allowed = #""namespaces":{"names":["payments"]}"#

    @Test func givesTheControllersIdentityWithoutAServiceAccount() throws {
        let catalog = try catalog("{\(vault),\(allowed)}")
        let resolved = try ProviderResolution(catalog).resolve(eu, for: "payments")
        #expect(
            resolved.settings
                == KeyProviderSettings(
                    backend: "vault-transit", values: ["address": "https://v", "key": "shared"]))
        #expect(resolved.serviceAccount == nil)
        #expect(resolved.uid == "u1")
    }

    @Test func usesTheServiceAccountOfTheNamespaceOfTheWrappedSecret() throws {
        let catalog = try catalog(
            #"{\#(vault),\#(allowed),"identity":{"audience":"vault","serviceAccountName":"reader"}}"#)
        let account = try ProviderResolution(catalog).resolve(eu, for: "payments").serviceAccount
        #expect(account?.ref == ObjectRef(namespace: "payments", name: "reader"))
        #expect(account?.audience == "vault")
    }

    @Test func refusesANamespaceThatIsNotListed() throws {
        let error = error(try catalog("{\(vault),\(allowed)}"), eu, namespace: "billing")
        #expect(error?.reason == .providerNotAllowed)
        #expect(error?.message.hasPrefix("ClusterKeyProvider eu does not allow namespace billing") == true)
    }

    @Test(arguments: [
        #"{\#("VAULT")}"#, #"{VAULT,"namespaces":{}}"#,
        #"{VAULT,"namespaces":{"selector":{"matchLabels":{}}}}"#,
    ])
    func allowsNoNamespaceWithoutASelection(spec: String) throws {
        let catalog = try catalog(spec.replacing("VAULT", with: vault))
        #expect(error(catalog, eu)?.reason == .providerNotAllowed)
    }

    @Test func comparesAllLabelsOfASelector() throws {
        var catalog = try catalog(
            #"{\#(vault),"namespaces":{"selector":{"matchLabels":{"team":"a","stage":"prod"}}}}"#)
        catalog.labels = ["payments": ["team": "a"]]
        #expect(error(catalog, eu)?.reason == .providerNotAllowed)
        catalog.labels = ["payments": ["team": "a", "stage": "prod", "other": "x"]]
        #expect(error(catalog, eu) == nil)
        catalog.labels = nil
        #expect(error(catalog, eu)?.reason == .providerNotReady)
    }

    @Test func namesAProviderThatDoesNotExist() throws {
        #expect(error(Catalog(), eu)?.message.hasPrefix("ClusterKeyProvider eu does not exist") == true)
        #expect(error(Catalog(), own)?.message.hasPrefix("KeyProvider payments/own does not exist") == true)
        var catalog = try catalog(
            "{\(vault)}", keyProvider: #"{"clusterKeyProvider":"gone","serviceAccountName":"r"}"#)
        catalog.cluster = [:]
        let error = error(catalog, own)
        #expect(error?.reason == .providerNotFound)
        #expect(
            error?.message.contains("ClusterKeyProvider gone, which KeyProvider payments/own refers to")
                == true)
    }

    @Test func appliesWhatTheClusterKeyProviderAllows() throws {
        let catalog = try catalog(
            #"{\#(vault),\#(allowed),"identity":{"audience":"vault"},"keyProviders":{"keys":["{namespace}_*"],"roles":["{namespace}"],"mounts":["transit-eu"]}}"#,
            keyProvider:
                #"{"clusterKeyProvider":"eu","serviceAccountName":"reader","key":"payments_2","role":"payments","mount":"transit-eu"}"#
        )
        let resolved = try ProviderResolution(catalog).resolve(own, for: "payments")
        #expect(
            resolved.settings.values == [
                "address": "https://v", "key": "payments_2", "role": "payments", "mount": "transit-eu",
            ])
        #expect(resolved.serviceAccount?.ref == ObjectRef(namespace: "payments", name: "reader"))
        #expect(resolved.uid == "u2")
    }

    @Test(arguments: [
        #""key":"billing-1""#, #""key":"payments""#, #""role":"admin""#, #""mount":"secret""#,
        // "é" composed and decomposed are equal strings and different bytes.
        #""role":"payments\u0301""#,
    ])
    func refusesAnOverrideThatIsNotAllowed(field: String) throws {
        let catalog = try catalog(
            #"{\#(vault),\#(allowed),"identity":{"audience":"vault"},"keyProviders":{"keys":["{namespace}_*"],"roles":["{namespace}"]}}"#,
            keyProvider: #"{"clusterKeyProvider":"eu","serviceAccountName":"reader",\#(field)}"#)
        let error = error(catalog, own)
        #expect(error?.reason == .providerNotAllowed)
        #expect(error?.message.contains("ClusterKeyProvider eu") == true)
    }

    /// With each of these, the namespace team could use a key of team-b.
    @Test(arguments: ["{namespace}*", "{namespace}-*", "{namespace}b*", "{namespace}0*", "k/{namespace}-*"])
    func aWildcardAfterANamespaceNeedsASeparatorThatNoNamespaceHas(pattern: String) throws {
        let key = pattern.replacing("{namespace}", with: "payments").replacing("*", with: "x")
        let catalog = try catalog(
            #"{\#(vault),\#(allowed),"identity":{"audience":"vault"},"keyProviders":{"keys":["\#(pattern)"]}}"#,
            keyProvider: #"{"clusterKeyProvider":"eu","serviceAccountName":"reader","key":"\#(key)"}"#)
        #expect(error(catalog, own)?.reason == .providerNotAllowed)
    }

    @Test func neverUsesTheControllersIdentityForAKeyProvider() throws {
        let catalog = try catalog(
            "{\(vault),\(allowed)}",
            keyProvider: #"{"clusterKeyProvider":"eu","serviceAccountName":"reader"}"#)
        let error = error(catalog, own)
        #expect(error?.reason == .providerNotReady)
        #expect(error?.message.contains("spec.identity.audience") == true)
    }

    @Test(arguments: [
        "https://kubernetes.default.svc", "https://kubernetes.default.svc.cluster.local:443", "kubernetes",
        "KUBERNETES.default", "http://kubernetes.default.svc", "kubernetes.default.", "kubernetes.default?x",
        "https://Kubernetes.Default.svc/x", "https://oidc.example.com/id/1",
    ])
    func refusesTheAudienceOfTheAPIServer(audience: String) throws {
        let catalog = try catalog(
            #"{\#(vault),\#(allowed),"identity":{"audience":"\#(audience)","serviceAccountName":"reader"}}"#)
        let error = error(catalog, eu, denied: ["https://oidc.example.com/id/1"])
        #expect(error?.reason == .providerNotReady)
        #expect(error?.message.contains("API server's audience") == true)
    }

    @Test func needsAPermissionForClusterScope() throws {
        let closed = try catalog("{\(vault),\(allowed)}")
        #expect(error(closed, eu, usesClusterScope: true)?.reason == .providerNotAllowed)
        let open = try catalog(#"{\#(vault),\#(allowed),"allowClusterScope":true}"#)
        #expect(error(open, eu, usesClusterScope: true) == nil)
    }

    @Test(arguments: [
        "{ALLOWED}", #"{ALLOWED,VAULT,"awsKMS":{"keyID":"k"}}"#, #"{ALLOWED,"local":{"key":"k"}}"#,
    ])
    func needsExactlyOneBackend(spec: String) throws {
        let text = spec.replacing("ALLOWED", with: allowed).replacing("VAULT", with: vault)
        #expect(error(try catalog(text), eu)?.reason == .providerNotReady)
    }

    @Test func reportsAMalformedProvider() throws {
        let error = error(try catalog(#"{"vaultTransit":{"address":7}}"#), eu)
        #expect(error?.reason == .providerNotReady)
        #expect(error?.message.hasPrefix("ClusterKeyProvider eu is malformed") == true)
    }
}
