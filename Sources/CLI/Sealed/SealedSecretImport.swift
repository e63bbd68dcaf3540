package import Envelope

/// Makes WrappedSecrets of SealedSecrets in files: of all of them, or of none.
package struct SealedSecretImport: Sendable {
    private let opening: SealedSecretOpener
    private let keys: KeyRing
    /// Instead of what each was sealed for.
    private let scope: Scope?

    /// - Parameter namespace: of documents that say none.
    package init(sealingKeys: SealingKeys, keys: KeyRing, scope: Scope?, namespace: String?) {
        opening = SealedSecretOpener(keys: sealingKeys, namespace: namespace)
        self.keys = keys
        self.scope = scope
    }

    package struct ImportResult: Sendable {
        /// Empty where there is a problem.
        package let outputs: [ImportedSecret]
        package let problems: [InputError]
    }

    /// All that needs no KMS is done for all of them first, and what is wrong with each is reported, beside the files that
    /// cannot be read; a KMS that fails is reported once.
    ///
    /// - Parameter unreadable: problems of files that cannot be read.
    package func wrap(_ documents: [SealedSecretDocument], beside unreadable: [InputError] = []) async
        -> ImportResult
    {
        var prepared: [(SealedSecretDocument, SecretInput, SecretWrapper, SecretWrapper.Prepared)] = []
        var problems = unreadable
        for document in documents {
            do throws(InputError) {
                let secret = try opening.open(document)
                let wrapping = SecretWrapper(keys: keys, scope: scope ?? document.scope, namespace: nil)
                prepared.append((document, secret, wrapping, try wrapping.prepare(secret)))
            } catch {
                problems.append(error)
            }
        }
        guard problems.isEmpty else { return ImportResult(outputs: [], problems: problems) }
        var outputs: [ImportedSecret] = []
        for (document, secret, wrapping, ready) in prepared {
            do throws(InputError) {
                let wrapped = try await wrapping.seal(ready)
                outputs.append(
                    try ImportedSecret(
                        namespace: secret.namespace, name: secret.name, source: secret.source,
                        manifest: wrapped.manifest, notes: document.notes + wrapped.notes))
            } catch {
                return ImportResult(outputs: [], problems: [error])
            }
        }
        return ImportResult(outputs: outputs, problems: [])
    }
}
