import Cryptography
import KubeClient
import Resources
import System
import YAML

/// Reads all files below some paths without writing. An unreadable file does not hide the others.
package struct WrappedSecretFiles: Sendable {
    package let files: [WrappedSecretFile]
    /// The errors for unreadable files, for paths without any WrappedSecret, and for unencrypted Secrets.
    package let problems: [InputError]
    /// Notes on files that were skipped and that the user may have wanted to check, one line each.
    package let notes: [String]
    /// The descriptions of the problems that are Secrets that are not encrypted.
    let unencrypted: Set<String>
    /// The number of files that were not read because their names are not those of manifests.
    let skippedCount: Int

    /// Determines what the files may contain besides WrappedSecrets.
    package struct ScanOptions: Sendable {
        let allowsNone: Bool
        let allowsPlaintext: Bool

        /// - Parameters:
        ///   - allowsNone: Skips files without WrappedSecrets, and counts files whose names are not those of manifests.
        ///   - allowsPlaintext: Accepts unencrypted Secrets.
        package init(allowsNone: Bool = false, allowsPlaintext: Bool = true) {
            self.allowsNone = allowsNone
            self.allowsPlaintext = allowsPlaintext
        }
    }

    package init(reading paths: [String], _ rules: ScanOptions = ScanOptions()) {
        let manifests = ManifestPaths(paths, readsLinks: true, readsAbandoned: !rules.allowsPlaintext)
        var notes: [String] = []
        let read = manifests.read(kind: WrappedSecret.resource.kind, allowsNone: rules.allowsNone) {
            path throws(InputError) in try Reading(path, rules, &notes)
        }
        files = read.files.compactMap(\.file)
        problems = read.problems + read.files.flatMap(\.problems)
        unencrypted = Set(read.files.flatMap(\.problems).map(\.description))
        skippedCount = read.unreadCount
        self.notes = notes
    }

    private struct Reading {
        let file: WrappedSecretFile?
        let problems: [InputError]

        /// Returns nil if there is nothing to report.
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
                // A file that only mentions the kind is not a manifest of it.
                if ManifestFile.mayHaveObject(of: [WrappedSecret.resource.kind], in: contents) {
                    guard ManifestSyntax.isHelmTemplate(cause, in: contents.bytes) else { throw error }
                    notes.append("\(source): is a template ({{ }}) and was not checked")
                }
            }
            let plain = rules.allowsPlaintext ? nil : UnencryptedSecrets(in: contents, source: source)
            notes += plain?.notes ?? []
            problems = plain?.problems ?? []
            if TemporaryFile.isTemporary(source.split(separator: "/").last.map(String.init) ?? "") {
                notes.append("\(source): is a temporary file that a killed run left; remove it")
            }
            self.file = file?.documents.isEmpty == false ? file : nil
            if self.file == nil, problems.isEmpty { return nil }
        }
    }

    package var documents: [WrappedSecretDocument] { files.flatMap(\.documents) }
}
