import System
import YAML

/// The files of imported Secrets, `NAMESPACE/NAME.yaml` below a folder: all that are to be made are made, or none.
package struct ImportFolder {
    /// Of a file that is there, which is never written over.
    package enum ExistingFilePolicy: Sendable {
        /// It is left, and the others are made.
        case skip
        /// It is a problem.
        case fail
    }

    package struct WriteResult: Sendable {
        package fileprivate(set) var written: [String] = []
        /// Files that were there.
        package fileprivate(set) var skipped: [String] = []
        /// Where there is one, nothing was written; folders may have been made.
        package fileprivate(set) var problems: [InputError] = []
    }

    private let base: String
    private let existingFiles: ExistingFilePolicy

    package init(_ folder: String, whatIsThere presence: ExistingFilePolicy) {
        base = folder.hasSuffix("/") ? folder : folder + "/"
        self.existingFiles = presence
    }

    /// Looks at all places and makes all folders before the first file. A process that is killed may leave a part of the
    /// files, each of them whole.
    package func write(_ secrets: [ImportedSecret]) -> WriteResult {
        var result = WriteResult()
        if let clash = ImportedSecret.pathCollision(in: secrets) {
            result.problems.append(clash)
            return result
        }
        let missing = lookAtPlaces(of: secrets, &result)
        if result.problems.isEmpty { makeFolders(for: missing, &result) }
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

    private func lookAtPlaces(of secrets: [ImportedSecret], _ result: inout WriteResult) -> [ImportedSecret] {
        secrets.filter { secret in
            let path = path(of: secret)
            do throws(FileError) {
                switch try FileKind(of: path) {
                case .missing: return true
                case .file where existingFiles == .skip: result.skipped.append(path)
                case .file: result.problems.append(inTheWay(path))
                case let kind:
                    result.problems.append(
                        InputError("\(path) is \(kind.phrase), and a file is to be made there; take it away"))
                }
                return false
            } catch {
                // A file where a folder is to be is told of when the folder is made.
                return true
            }
        }
    }

    private func inTheWay(_ path: String) -> InputError {
        InputError(
            "\(path) is there already, and nothing was written; remove it, or give another folder or other SealedSecrets"
        )
    }

    private func makeFolders(for secrets: [ImportedSecret], _ result: inout WriteResult) {
        guard !secrets.isEmpty else { return }
        var made: Set<String> = []
        for secret in secrets where made.insert(secret.namespace ?? "").inserted {
            do throws(FileError) {
                _ = try folder(of: secret)
            } catch {
                result.problems.append(InputError("cannot make the folder \(error.path): \(error.reason)"))
            }
        }
    }

    /// The folder that the Secret's file goes to. `base` is the user's own and may be a symbolic link; the folder of the
    /// namespace in it may not: a committer of one would choose where the file is written.
    private func folder(of secret: ImportedSecret) throws(FileError) -> FolderHandle {
        let path = base.count > 1 ? String(base.dropLast()) : base
        try FolderCreation.createFolderAndParents(path)
        let folder = try FolderHandle(path)
        guard let namespace = secret.namespace else { return folder }
        return try folder.openOrCreateFolder(namespace)
    }

    /// Returns false if there was a file of that name.
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
        // It was created after the look.
        guard existingFiles == .skip else { throw inTheWay(path) }
        result.skipped.append(path)
        return false
    }
}
