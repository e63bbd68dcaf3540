import Cryptography
import Resources
import System
import YAML

/// Creates WrappedSecrets from files that SOPS encrypted: either from all of them or from none.
package struct SopsImport: Sendable {
    private let program: SopsProgram
    private let documents: SopsDocuments

    package init(program: SopsProgram, documents: SopsDocuments) {
        self.program = program
        self.documents = documents
    }

    package struct ImportResult: Sendable {
        /// The WrappedSecrets, or none if there is a problem.
        package fileprivate(set) var outputs: [ImportedSecret] = []
        package fileprivate(set) var problems: [InputError] = []
        /// Notes on the files, one line each.
        package fileprivate(set) var notes: [String] = []
        /// The first SopsSecret, which owns its Secrets in the cluster.
        package fileprivate(set) var owner: (namespace: String?, name: String)?
    }

    /// Decrypts all files and makes all checks before the first KMS request, and reports every problem.
    ///
    /// - Parameters:
    ///   - paths: Files, and folders, whose YAML and JSON files are read if they mention sops.
    ///   - wrapper: Returns the wrapper for a Secret.
    package func wrap(
        _ paths: [String], with wrapper: (SecretInput) async throws(InputError) -> SecretWrapper
    ) async -> ImportResult {
        var result = ImportResult()
        var secrets: [SecretInput] = []
        for path in files(of: paths, &result) {
            do throws(InputError) {
                let contents = try documents.read(try await program.decrypt(path), path: path)
                secrets += contents.secrets
                result.notes += contents.notes
                result.owner = result.owner ?? contents.owner
            } catch {
                result.problems.append(error)
            }
        }
        var prepared: [(SecretInput, SecretWrapper, SecretWrapper.Prepared)] = []
        for secret in secrets {
            do throws(InputError) {
                let wrapping = try await wrapper(secret)
                prepared.append((secret, wrapping, try wrapping.prepare(secret)))
            } catch {
                result.problems.append(error)
            }
        }
        guard result.problems.isEmpty else { return result }
        var outputs: [ImportedSecret] = []
        for (secret, wrapping, ready) in prepared {
            do throws(InputError) {
                let wrapped = try await wrapping.seal(ready)
                outputs.append(
                    try ImportedSecret(
                        namespace: secret.namespace, name: secret.name, source: secret.source,
                        manifest: wrapped.manifest, notes: wrapped.notes))
            } catch {
                // A failing KMS is reported once.
                result.problems.append(error)
                return result
            }
        }
        if let collision = ImportedSecret.pathCollision(in: outputs) {
            result.problems.append(collision)
        } else {
            result.outputs = outputs
        }
        return result
    }

    /// Returns true for a file with the metadata that SOPS adds, and for one that mentions SOPS and cannot be parsed: its error
    /// tells more.
    private static func isEncrypted(_ file: SharedSecret) -> Bool {
        guard ManifestFile.mentions("sops", in: file) else { return false }
        guard let documents = try? ManifestFile.documents(in: file.bytes, source: "") else { return true }
        return documents.contains { $0["sops"]?["mac"] != nil }
    }

    private func files(of paths: [String], _ result: inout ImportResult) -> [String] {
        let manifests = ManifestPaths(paths)
        result.problems += manifests.problems
        let given = Set(paths)
        let files = manifests.files.filter { file in
            guard !given.contains(file) else { return true }
            return (try? ManifestFile.rawContents(of: file)).map { Self.isEncrypted($0) } ?? true
        }
        if files.isEmpty, result.problems.isEmpty {
            result.problems.append(
                InputError(
                    "\(paths.listed()): has no file that SOPS encrypted; give another path"))
        }
        return files
    }
}

/// The steps that hand over a Secret from its SopsSecret to a WrappedSecret.
package enum SopsHandover {
    /// - Parameter owner: The SopsSecret, or nil if another tool applies the Secret itself.
    package static func steps(
        owner: (namespace: String?, name: String)?, namespace: String?, name: String
    ) -> String {
        let selector = "-n \(namespace?.shellQuoted ?? "NAMESPACE")"
        let adopt =
            "kubectl annotate secret \(selector) \(name.shellQuoted) \(OwnershipMetadata.allowAnnotation)=adopt"
        guard let owner else {
            return
                "stop what applies the Secret (Flux, helm-secrets, ksops) without deleting it, then: \(adopt)"
        }
        let ownerSelector = "-n \(owner.namespace?.shellQuoted ?? "NAMESPACE")"
        return
            "kubectl delete sopssecret \(ownerSelector) \(owner.name.shellQuoted) --cascade=orphan && \(adopt)"
    }
}
