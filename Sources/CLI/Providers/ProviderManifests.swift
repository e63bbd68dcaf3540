import Cryptography
import Envelope
import JSON
package import KubeClient
package import Resources
import YAML

/// Providers that a user gave in files, or that were read from a cluster.
package struct ProviderManifests: ProviderCatalog {
    private var clusterKeyProviders: [String: ClusterKeyProvider] = [:]
    private var keyProviders: [ObjectRef: KeyProvider] = [:]

    package init() {}

    package func clusterKeyProvider(_ name: String) -> Decoded<ClusterKeyProvider>? {
        clusterKeyProviders[name].map { .object($0) }
    }

    package func keyProvider(_ ref: ObjectRef) -> Decoded<KeyProvider>? {
        keyProviders[ref].map { .object($0) }
    }

    package func labels(ofNamespace name: String) -> [String: String]? { nil }

    /// The providers, sorted by their descriptions.
    package var refs: [ProviderRef] {
        let refs =
            clusterKeyProviders.keys.map { ProviderRef(clusterKeyProvider: $0) }
            + keyProviders.keys.map { ProviderRef(keyProvider: $0) }
        return refs.sorted { "\($0)" < "\($1)" }
    }

    /// Adds the providers of a file. Other objects in it are ignored, so that a file of a whole installation can be given.
    ///
    /// - Parameter namespace: The namespace of KeyProviders that have none.
    /// - Throws: `InputError` if the file has no provider or cannot be read.
    package mutating func add(file: String, namespace: String?) throws(InputError) {
        let source = ManifestFile.displayName(file)
        let contents = try ManifestFile.contents(of: file)
        let documents = try ManifestFile.documents(in: contents.bytes, source: source)
        var count = 0
        for node in documents.flatMap(Self.items) {
            let location = node.range.location(in: source)
            guard node["apiVersion"]?.string == ClusterKeyProvider.resource.apiVersion else { continue }
            switch node["kind"]?.string {
            case ClusterKeyProvider.resource.kind:
                let provider: ClusterKeyProvider = try Self.read(node, location)
                clusterKeyProviders[provider.metadata.name] = provider
            case KeyProvider.resource.kind:
                var provider: KeyProvider = try Self.read(node, location)
                provider.metadata.namespace = provider.metadata.namespace ?? namespace
                keyProviders[provider.metadata.ref] = provider
            default: continue
            }
            count += 1
        }
        guard count > 0 else {
            throw InputError(
                source, "the file has no ClusterKeyProvider and no KeyProvider; give one that has")
        }
    }

    /// Adds a provider of a cluster, and the ClusterKeyProvider that it refers to.
    package mutating func add(_ reference: ProviderRef, from client: KubeClient) async throws(InputError) {
        do throws(KubeError) {
            var name = reference.object.name
            if !reference.isClusterScoped {
                let provider = try await client.get(KeyProvider.self, reference.object)
                keyProviders[reference.object] = provider
                name = provider.spec.clusterKeyProvider
            }
            clusterKeyProviders[name] = try await client.get(
                ClusterKeyProvider.self, ObjectRef(namespace: "", name: name))
        } catch {
            throw InputError(
                "\(error.userMessage); or give the manifest of \(reference) with --provider-file")
        }
    }

    /// Returns the documents, with the items of lists in place of the lists.
    private static func items(_ node: YAMLNode) -> [YAMLNode] {
        node["kind"]?.string == "List" ? node["items"]?.elements ?? [] : [node]
    }

    private static func read<Object: KubeObject>(
        _ node: YAMLNode, _ location: String
    ) throws(InputError) -> Object {
        let result = JSONWriter.write(node).withUnsafeBytes { json in
            Result { () throws(JSONError) in try JSONReader.read(Object.self, from: json) }
        }
        do {
            return try result.get()
        } catch {
            throw InputError(location, "the \(Object.resource.kind) is malformed: \(error)")
        }
    }
}
