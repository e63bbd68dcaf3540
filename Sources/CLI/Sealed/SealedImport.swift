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

    /// Nobody is asked to wrap before all are open.
    package func wrap(_ documents: [SealedSecretDocument]) async -> Result {
        var opened: [(document: SealedSecretDocument, secret: SecretInput)] = []
        var problems: [InputError] = []
        for document in documents {
            do throws(InputError) {
                opened.append((document, try opening.open(document)))
            } catch {
                problems.append(error)
            }
        }
        var outputs: [ImportedSecret] = []
        for (document, secret) in opened where problems.isEmpty {
            do throws(InputError) {
                let wrapping = Wrapping(keys: keys, scope: scope ?? document.scope, namespace: nil)
                let wrapped = try await wrapping.wrap(secret)
                outputs.append(
                    ImportedSecret(
                        namespace: secret.namespace, name: secret.name, source: secret.source,
                        manifest: wrapped.manifest, notes: document.notes + wrapped.notes))
            } catch {
                problems.append(error)
            }
        }
        return Result(outputs: problems.isEmpty ? outputs : [], problems: problems)
    }
}
