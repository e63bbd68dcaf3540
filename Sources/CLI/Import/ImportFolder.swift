package import JSON
import System
import YAML

/// Writes imported Secrets to files `NAMESPACE/NAME.yaml` below a folder: either all of them or none.
package struct ImportFolder {
    /// The treatment of an existing file, which is never overwritten.
    package enum ExistingFilePolicy: Sendable {
        /// Keeps the file and writes the others.
        case skip
        /// Reports the file as a problem.
        case fail
    }

    package struct WriteResult: Sendable {
        package fileprivate(set) var written: [String] = []
        /// Files that existed before.
        package fileprivate(set) var skipped: [String] = []
        /// The errors. If there are any, no file was written, but folders may have been created.
        package fileprivate(set) var problems: [InputError] = []
    }

    private let base: String
    private let existingFiles: ExistingFilePolicy

    package init(_ folder: String, existingFiles: ExistingFilePolicy) {
        base = folder.hasSuffix("/") ? folder : folder + "/"
        self.existingFiles = existingFiles
    }

    /// Checks all paths and creates all folders before the first file. A process that is killed may leave some of the
    /// files, each of them complete.
    package func write(_ secrets: [ImportedSecret]) -> WriteResult {
        var result = WriteResult()
        if let clash = ImportedSecret.pathCollision(in: secrets) {
            result.problems.append(clash)
            return result
        }
        let missing = checkPaths(of: secrets, &result)
        if result.problems.isEmpty { createFolders(for: missing, &result) }
        guard result.problems.isEmpty else { return result }
        var created: [ImportedSecret] = []
        for secret in missing {
            do throws(InputError) {
                if try create(secret, &result) { created.append(secret) }
            } catch {
                result.problems.append(error)
                for secret in created { try? folder(of: secret).removeFile(secret.fileName) }
                result.written = []
                return result
            }
        }
        return result
    }

    private func path(of secret: ImportedSecret) -> String { base + secret.relativePath }

    private func checkPaths(of secrets: [ImportedSecret], _ result: inout WriteResult) -> [ImportedSecret] {
        secrets.filter { secret in
            let path = path(of: secret)
            do throws(FileError) {
                switch try FileKind(of: path) {
                case .missing: return true
                case .file where existingFiles == .skip: result.skipped.append(path)
                case .file: result.problems.append(fileExists(path))
                case let kind:
                    result.problems.append(
                        InputError("\(path) is \(kind.phrase), and a file is to be created there; remove it"))
                }
                return false
            } catch {
                // `createFolders` reports a file in place of a folder.
                return true
            }
        }
    }

    private func fileExists(_ path: String) -> InputError {
        InputError(
            "\(path) already exists, so nothing was written; remove it, or name another folder or other files"
        )
    }

    private func createFolders(for secrets: [ImportedSecret], _ result: inout WriteResult) {
        guard !secrets.isEmpty else { return }
        var namespaces: Set<String> = []
        for secret in secrets where namespaces.insert(secret.namespace ?? "").inserted {
            do throws(FileError) {
                _ = try folder(of: secret)
            } catch {
                result.problems.append(InputError("cannot create the folder \(error.path): \(error.reason)"))
            }
        }
    }

    /// Opens the folder of the Secret's file, and creates it if needed. `base` is the user's own and may be a symbolic
    /// link. The namespace's folder may not: the committer of a link would choose where the file is written.
    private func folder(of secret: ImportedSecret) throws(FileError) -> FolderHandle {
        let path = base.count > 1 ? String(base.dropLast()) : base
        try FolderCreation.createFolderAndParents(path)
        let folder = try FolderHandle(path)
        guard let namespace = secret.namespace else { return folder }
        return try folder.openOrCreateFolder(namespace)
    }

    /// Returns false if the file existed.
    private func create(_ secret: ImportedSecret, _ result: inout WriteResult) throws(InputError) -> Bool {
        let path = path(of: secret)
        do throws(FileError) {
            let folder = try folder(of: secret)
            if try folder.create(secret.fileName, with: YAMLWriter.write([secret.manifest])) {
                result.written.append(path)
                return true
            }
        } catch {
            throw InputError("cannot write \(path): \(error.reason)")
        }
        // The file was created after the check.
        guard existingFiles == .skip else { throw fileExists(path) }
        result.skipped.append(path)
        return false
    }
}

/// A WrappedSecret created from a Secret or a SealedSecret.
package struct ImportedSecret: Sendable {
    /// The namespace, or nil if the scope needs none and none was given.
    package let namespace: String?
    package let name: String
    /// The place of the original in messages.
    package let source: String
    package let manifest: JSONValue
    /// Notes for the user, one line each.
    package let notes: [String]

    /// - Throws: `InputError` if Kubernetes does not allow the namespace or the name, which become the path of a file
    ///   and parts of commands in messages.
    package init(
        namespace: String?, name: String, source: String, manifest: JSONValue, notes: [String]
    ) throws(InputError) {
        try ObjectNames.check(namespace: namespace, name: name, source)
        self.namespace = namespace
        self.name = name
        self.source = source
        self.manifest = manifest
        self.notes = notes
    }

    package var fileName: String { "\(name).yaml" }

    /// The path of its file below the import folder.
    package var relativePath: String { Self.relativePath(namespace: namespace, name: name) }

    package static func relativePath(namespace: String?, name: String) -> String {
        (namespace.map { "\($0)/" } ?? "") + "\(name).yaml"
    }

    /// Returns an error if two of the Secrets have the same path.
    package static func pathCollision(in secrets: [ImportedSecret]) -> InputError? {
        var seen: [String: ImportedSecret] = [:]
        for secret in secrets {
            if let other = seen.updateValue(secret, forKey: secret.relativePath) {
                return InputError(
                    "\(secret.source): \(secret.relativePath) is also created from \(other.source); leave one out, or write "
                        + "them to different folders")
            }
        }
        return nil
    }
}
