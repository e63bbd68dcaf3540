import Cryptography
import Envelope
import JSON
package import KubeClient
import Resources

/// Reads Secrets of a cluster with their values, which stay in secret memory.
package struct LiveSecretReader: Sendable {
    let client: KubeClient

    package init(_ client: KubeClient) { self.client = client }

    /// Reads a Secret together with the field managers of its parts. Returns nil if it does not exist.
    ///
    /// - Parameter uid: The uid of the Secret in a list, or nil if it was not listed.
    /// - Throws: `InputError` if the Secret cannot be read, or if the response is another object.
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
                source, "the API server returned another object; is it the right cluster (--context)?")
        }
        guard uid == nil || secret.uid == uid else {
            throw InputError(source, "was replaced after it was listed; run the command again")
        }
        do {
            let metadata = try body.bytes.withUnsafeBytes { bytes in
                try JSONReader.read(SecretMetadata.self, from: bytes).metadata
            }
            return LiveSecret(input: secret, metadata: metadata)
        } catch {
            throw InputError(source, "the API server returned metadata that cannot be read: \(error)")
        }
    }

    /// Reads a WrappedSecret. Returns nil if it does not exist, is malformed, or may not be read by the user.
    func wrappedSecret(_ ref: ObjectRef) async throws(InputError) -> WrappedSecret? {
        do throws(KubeError) {
            return try await client.get(WrappedSecret.self, ref)
        } catch  where [.notFound, .forbidden, .malformedResponse].contains(error.code) {
            return nil
        } catch {
            throw InputError(error.userMessage)
        }
    }

    /// Returns true if a namespace is known not to exist.
    func isNamespaceMissing(_ name: String) async -> Bool {
        (try? await client.namespaceExists(name)) == false
    }

    /// Lists the metadata of Secrets.
    ///
    /// - Throws: `InputError` if they cannot be listed, or if one of them is of another namespace or has a name that
    ///   Kubernetes does not allow.
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
                "the API server returned it for another namespace; is it the right cluster (--context)?"
            )
        }
    }
}

/// A Secret of a cluster with its values and its field managers.
struct LiveSecret: Sendable {
    let input: SecretInput
    let metadata: ObjectMeta

    /// Returns the merged entries that no other manager has. The controller removes them when they leave the
    /// WrappedSecret.
    func ownedEntries(of merger: MergeIdentity) -> Set<String> {
        var own = merger.recordedEntries(in: metadata) ?? []
        var others: Set<String> = []
        for fields in metadata.managedFields ?? [] {
            if fields.manager == merger.fieldManager {
                own.formUnion(fields.data)
            } else {
                others.formUnion(fields.data)
            }
        }
        return own.subtracting(others)
    }
}
