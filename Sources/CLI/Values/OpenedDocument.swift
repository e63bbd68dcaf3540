package import Envelope
import KubeClient
import Resources
import System

/// A WrappedSecret of a file with its values in the clear.
package struct OpenedDocument: Sendable {
    let file: WrappedSecretFile
    /// In `file.documents`.
    let index: Int
    let desiredSecret: DesiredSecret
    package let namespace: String?
    /// In byte order of their names.
    package let entries: [SecretEntry]

    /// Errors: the file, the document or the KMS does not allow it.
    package init(
        _ file: WrappedSecretFile, named name: String?, namespace: String?, with keys: KeyRing
    ) async throws(InputError) {
        try await self.init(
            file, at: try file.index(named: name, namespace: namespace), namespace: namespace, with: keys)
    }

    /// The one at a place of `file.documents`.
    init(
        _ file: WrappedSecretFile, at index: Int, namespace: String?, with keys: KeyRing
    ) async throws(InputError) {
        self.file = file
        self.index = index
        let document = file.documents[index]
        let object = try document.object(namespace: namespace)
        self.namespace = object.metadata.namespace
        do {
            desiredSecret = try DesiredSecret(object)
            entries = try await object.sealedEnvelope().open(with: keys).entries
        } catch let error as SpecError {
            throw InputError(document.location, error.description)
        } catch let error as EnvelopeError {
            throw InputError(document.location, error.description)
        } catch {
            throw InputError(document.location, "\(error)")
        }
    }

    package var name: String { file.documents[index].object.metadata.name }
    package var secretName: String { desiredSecret.name }
    var location: String { file.documents[index].location }
}
