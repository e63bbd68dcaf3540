package import Envelope
import Resources
import YAML

/// Creates WrappedSecrets from the SealedSecrets of files: either from all of them or from none.
package struct SealedSecretImport: Sendable {
    private let opening: SealedSecretOpener

    /// - Parameter namespace: The namespace of SealedSecrets that have none.
    package init(sealingKeys: SealingKeys, namespace: String?) {
        opening = SealedSecretOpener(keys: sealingKeys, namespace: namespace)
    }

    package struct ImportResult: Sendable {
        /// The WrappedSecrets, or none if there is a problem.
        package let outputs: [ImportedSecret]
        package let problems: [InputError]
    }

    /// Unseals all SealedSecrets and makes all checks before the first KMS request, and reports every problem. A
    /// failing KMS is reported once.
    ///
    /// - Parameters:
    ///   - unreadable: The errors of files that cannot be read.
    ///   - wrapper: Returns the wrapper for a Secret, which has the scope of its SealedSecret by default.
    package func wrap(
        _ documents: [SealedSecretDocument], beside unreadable: [InputError] = [],
        with wrapper: (SecretInput, Scope) async throws(InputError) -> SecretWrapper
    ) async -> ImportResult {
        var prepared: [(SealedSecretDocument, SecretInput, SecretWrapper, SecretWrapper.Prepared)] = []
        var problems = unreadable
        for document in documents {
            do throws(InputError) {
                let secret = try opening.open(document)
                let wrapping = try await wrapper(secret, document.scope)
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

/// Reads the SealedSecrets below some paths.
package struct SealedSecretFiles: Sendable {
    package let documents: [SealedSecretDocument]
    /// The errors for unreadable files, and for paths without any SealedSecret.
    package let problems: [InputError]
    /// The errors for files of folders that are not YAML, such as templates, and for dangling symbolic links. They do
    /// not stop the others.
    package let unreadable: [InputError]

    package init(reading paths: [String]) {
        let kind = SealedSecretDocument.kind
        let manifests = ManifestPaths(paths)
        let given = Set(paths)
        let read = manifests.read(kind: kind) { path throws(InputError) -> Readings? in
            let source = ManifestFile.displayName(path)
            let contents = try ManifestFile.rawContents(of: path)
            let objects: [YAMLNode]
            do throws(InputError) {
                try TextEncoding.rejectUTF16(contents, source: source)
                objects = try ManifestFile.objects(
                    in: contents, source: source, kind: kind, group: SealedSecretDocument.group)
            } catch  where !given.contains(path) {
                return Readings(unreadable: [error])
            }
            guard !objects.isEmpty else { return nil }
            var readings = Readings()
            for object in objects {
                do throws(InputError) {
                    readings.documents.append(try SealedSecretDocument(object, source: source))
                } catch {
                    readings.problems.append(error)
                }
            }
            return readings
        }
        documents = read.files.flatMap(\.documents)
        problems = read.problems + read.files.flatMap(\.problems)
        unreadable = read.files.flatMap(\.unreadable) + manifests.danglingSymlinks
    }

    private struct Readings {
        var documents: [SealedSecretDocument] = []
        var problems: [InputError] = []
        var unreadable: [InputError] = []
    }
}

/// The steps that hand over a Secret from its SealedSecret to a WrappedSecret. Both have the Secret's name.
package enum SealedSecretHandover {
    package static func steps(namespace: String?, name: String) -> String {
        let object = "-n \(namespace?.shellQuoted ?? "NAMESPACE") \(name.shellQuoted)"
        return "kubectl delete sealedsecret \(object) --cascade=orphan && kubectl annotate secret \(object) "
            + "\(OwnershipMetadata.allowAnnotation)=adopt, then apply the WrappedSecret; with Argo CD or Flux follow "
            + "docs/moving-from-sealed-secrets.md"
    }

    static func isSealedSecret(_ kind: String) -> Bool { kind == SealedSecretDocument.kind }
}
