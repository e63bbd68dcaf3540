import Envelope
package import KubeClient
import Primitives
import YAML

/// Secrets of a cluster, read with their values. What is read stays in secret memory.
package struct LiveSecrets: Sendable {
    private let client: KubeClient

    package init(_ client: KubeClient) { self.client = client }

    /// Reads a Secret; returns nil if there is none.
    ///
    /// - Parameter uid: of the Secret that was listed; nil if it was not.
    /// - Throws: `InputError` if it cannot be read, is no Secret, or is another one than was asked for.
    package func secret(_ ref: ObjectRef, uid: String? = nil) async throws(InputError) -> SecretInput? {
        try ObjectNames.check(namespace: ref.namespace, name: ref.name, "Secret")
        let body: SharedSecret
        do throws(KubeError) {
            body = try await client.getSecretly(.secrets, ref)
        } catch  where error.code == .notFound {
            return nil
        } catch {
            throw InputError(error.lineForPeople)
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
        return secret
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
            throw InputError(error.lineForPeople)
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
