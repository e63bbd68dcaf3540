package import Envelope

/// Makes WrappedSecrets of SealedSecrets in files: of all of them, or of none.
package struct SealedImport: Sendable {
    private let opening: SealedOpening
    private let keys: KeyRing
    /// Instead of what each was sealed for.
    private let scope: Scope?

    /// - Parameter namespace: of documents that say none.
    package init(sealingKeys: SealingKeys, keys: KeyRing, scope: Scope?, namespace: String?) {
        opening = SealedOpening(keys: sealingKeys, namespace: namespace)
        self.keys = keys
        self.scope = scope
    }

    package struct Result: Sendable {
        /// Empty where there is a problem.
        package let outputs: [ImportedSecret]
        package let problems: [InputError]
    }

    /// All that needs no KMS is done for all of them first, and what is wrong with each is reported, beside the files that
    /// cannot be read; a KMS that fails is reported once.
    ///
    /// - Parameter unreadable: problems of files that cannot be read.
    package func wrap(_ documents: [SealedSecretDocument], beside unreadable: [InputError] = []) async
        -> Result
    {
        var prepared: [(SealedSecretDocument, SecretInput, Wrapping, Wrapping.Prepared)] = []
        var problems = unreadable
        for document in documents {
            do throws(InputError) {
                let secret = try opening.open(document)
                let wrapping = Wrapping(keys: keys, scope: scope ?? document.scope, namespace: nil)
                prepared.append((document, secret, wrapping, try wrapping.prepare(secret)))
            } catch {
                problems.append(error)
            }
        }
        guard problems.isEmpty else { return Result(outputs: [], problems: problems) }
        var outputs: [ImportedSecret] = []
        for (document, secret, wrapping, ready) in prepared {
            do throws(InputError) {
                let wrapped = try await wrapping.seal(ready)
                outputs.append(
                    try ImportedSecret(
                        namespace: secret.namespace, name: secret.name, source: secret.source,
                        manifest: wrapped.manifest, notes: document.notes + wrapped.notes))
            } catch {
                return Result(outputs: [], problems: [error])
            }
        }
        return Result(outputs: outputs, problems: [])
    }
}
