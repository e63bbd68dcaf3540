import Envelope
package import KubeClient
import Primitives
import YAML

/// Secrets of a cluster, read with their values. What is read stays in secret memory.
package struct LiveSecrets: Sendable {
    private let client: KubeClient

    package init(_ client: KubeClient) { self.client = client }

    /// nil: there is none.
    ///
    /// Errors: it cannot be read, or is not one.
    package func secret(_ ref: ObjectRef) async throws(InputError) -> SecretInput? {
        let body: SharedSecret
        do throws(KubeError) {
            body = try await client.getSecretly(.secrets, ref)
        } catch  where error.code == .notFound {
            return nil
        } catch {
            throw InputError(error.lineForPeople)
        }
        return try SecretManifestReader.secrets(in: body.bytes, source: "Secret \(ref)").first
    }

    /// Names, and what else is metadata.
    package func list(_ selection: Selection) async throws(InputError) -> [ObjectMeta] {
        var found: [ObjectMeta] = []
        var pager = ListPager<SecretMetadata>(client, selection)
        do throws(KubeError) {
            while let page = try await pager.nextPage() { found += page.items.map(\.metadata) }
        } catch {
            throw InputError(error.lineForPeople)
        }
        return found
    }
}
