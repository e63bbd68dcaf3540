import Cryptography
import Envelope
import JSON
package import KubeClient
import Resources

/// Secrets of a cluster, read with their values. What is read stays in secret memory.
package struct LiveSecretReader: Sendable {
    private let client: KubeClient

    package init(_ client: KubeClient) { self.client = client }

    /// Reads a Secret; returns nil if there is none.
    ///
    /// - Parameter uid: of the Secret that was listed; nil if it was not.
    /// - Throws: `InputError` if it cannot be read, is no Secret, or is another one than was asked for.
    package func secret(_ ref: ObjectRef, uid: String? = nil) async throws(InputError) -> SecretInput? {
        try await liveSecret(ref, uid: uid)?.input
    }

    /// As `secret`, with the field managers that own its parts.
    func liveSecret(_ ref: ObjectRef, uid: String? = nil) async throws(InputError) -> LiveSecret? {
        try ObjectNames.check(namespace: ref.namespace, name: ref.name, "Secret")
        let body: SharedSecret
        do throws(KubeError) {
            body = try await client.getJSON(.secrets, ref)
        } catch  where error.code == .notFound {
            return nil
        } catch {
            throw InputError(error.userMessage)
        }
        let source = "Secret \(ref)"
        let found = try SecretManifestReader.secrets(in: body.bytes, source: source)
        guard found.count == 1, let secret = found.first, secret.name == ref.name,
            secret.namespace == ref.namespace
        else {
            throw InputError(
                source, "the API server answered with another object; is it the right cluster (--context)?")
        }
        guard uid == nil || secret.uid == uid else {
            throw InputError(source, "it was replaced after it was listed; run the command again")
        }
        do {
            let metadata = try body.bytes.withUnsafeBytes { bytes in
                try JSONReader.read(SecretMetadata.self, from: bytes).metadata
            }
            return LiveSecret(input: secret, metadata: metadata)
        } catch {
            throw InputError(source, "the API server answered with metadata that cannot be read: \(error)")
        }
    }

    /// A WrappedSecret of the cluster; nil if there is none that this user may read and that has the shape of its kind.
    func wrappedSecret(_ ref: ObjectRef) async throws(InputError) -> WrappedSecret? {
        do throws(KubeError) {
            return try await client.get(WrappedSecret.self, ref)
        } catch  where [.notFound, .forbidden, .malformedResponse].contains(error.code) {
            return nil
        } catch {
            throw InputError(error.userMessage)
        }
    }

    /// Whether a namespace is known not to exist.
    func isNamespaceMissing(_ name: String) async -> Bool {
        (try? await client.namespaceExists(name)) == false
    }

    /// - Throws: `InputError` if the namespace of `selection` does not exist.
    func requireNamespace(of selection: Selection) async throws(InputError) {
        try await client.requireNamespace(of: selection)
    }

    /// The metadata of Secrets.
    ///
    /// - Throws: `InputError` if they cannot be listed, or if one of them is not of the selection's namespace or has a
    ///   name that Kubernetes does not allow.
    package func list(_ selection: Selection) async throws(InputError) -> [ObjectMeta] {
        var found: [ObjectMeta] = []
        var pager = ListPager<SecretMetadata>(client, selection)
        do throws(KubeError) {
            while let page = try await pager.nextPage() { found += page.items.map(\.metadata) }
        } catch {
            throw InputError(error.userMessage)
        }
        for metadata in found { try check(metadata.ref, selection) }
        return found
    }

    private func check(_ ref: ObjectRef, _ selection: Selection) throws(InputError) {
        try ObjectNames.check(namespace: ref.namespace, name: ref.name, "a Secret that the API server lists")
        guard selection.namespace == nil || selection.namespace == ref.namespace else {
            throw InputError(
                "Secret \(ref)",
                "the API server lists it although another namespace was asked for; is it the right cluster (--context)?"
            )
        }
    }
}

/// A Secret of a cluster with its values, and with what the API server records of its writers.
struct LiveSecret: Sendable {
    let input: SecretInput
    let metadata: ObjectMeta

    /// Entries that the controller takes out again when they leave the WrappedSecret, which no other manager has.
    func ownedEntries(of merger: MergeIdentity) -> Set<String> {
        var ours = merger.recordedEntries(in: metadata) ?? []
        var others: Set<String> = []
        for fields in metadata.managedFields ?? [] {
            if fields.manager == merger.fieldManager {
                ours.formUnion(fields.data)
            } else {
                others.formUnion(fields.data)
            }
        }
        return ours.subtracting(others)
    }
}
