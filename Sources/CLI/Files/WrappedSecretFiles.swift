import Cryptography
import KubeClient
import Resources
import System

/// All that some paths stand for, for who reads and does not write. A bad file does not hide the others.
package struct WrappedSecretFiles: Sendable {
    /// Those with WrappedSecrets.
    package let files: [WrappedSecretFile]
    /// What cannot be read, paths without any WrappedSecret, and Secrets in the clear.
    package let problems: [InputError]
    /// Files that were passed over and may not be meant to be, one line each.
    package let notes: [String]
    /// Files that were not read, as they have no manifest's name.
    let skippedCount: Int

    /// What else than WrappedSecrets may be in the files.
    package struct ScanOptions: Sendable {
        let allowsNone: Bool
        let allowsPlaintext: Bool

        /// - Parameters:
        ///   - allowsNone: files without WrappedSecrets are passed over, and files that are no manifests by their names, which are counted.
        ///   - allowsPlaintext: Secrets that are not encrypted are passed over.
        package init(allowsNone: Bool = false, allowsPlaintext: Bool = true) {
            self.allowsNone = allowsNone
            self.allowsPlaintext = allowsPlaintext
        }
    }

    package init(reading paths: [String], _ rules: ScanOptions = ScanOptions()) {
        let manifests = ManifestPaths(paths)
        var notes: [String] = []
        let read = manifests.read(kind: WrappedSecret.resource.kind, allowsNone: rules.allowsNone) {
            path throws(InputError) in try Reading(path, rules, &notes)
        }
        files = read.files.compactMap(\.file)
        problems = read.problems + read.files.flatMap(\.problems)
        skippedCount = read.unreadCount
        self.notes = notes
    }

    /// What there is to report of one file.
    private struct Reading {
        let file: WrappedSecretFile?
        let problems: [InputError]

        /// Returns nil if there is nothing.
        init?(_ path: String, _ rules: ScanOptions, _ notes: inout [String]) throws(InputError) {
            let source = ManifestFile.displayName(path)
            let stamp = path == "-" ? nil : FileFingerprint(path: path)
            let contents = try ManifestFile.contents(of: path)
            var file: WrappedSecretFile?
            do throws(InputError) {
                file = try WrappedSecretFile(path: source, contents: contents, stamp: stamp)
            } catch {
                guard rules.allowsNone,
                    let cause = ManifestFile.syntaxError(in: contents.bytes, source: source)
                else { throw error }
                // One that only mentions the kind is another file.
                if ManifestFile.declaresKind(WrappedSecret.resource.kind, in: contents) {
                    guard ManifestSyntax.isHelmTemplate(cause, in: contents.bytes) else { throw error }
                    notes.append("\(source): is a template ({{ }}) and was not checked")
                }
            }
            let plain = rules.allowsPlaintext ? nil : UnencryptedSecrets(in: contents, source: source)
            notes += plain?.notes ?? []
            problems = plain?.problems ?? []
            self.file = file?.documents.isEmpty == false ? file : nil
            if self.file == nil, problems.isEmpty { return nil }
        }
    }

    package var documents: [WrappedSecretDocument] { files.flatMap(\.documents) }
}
