import KubeClient
import Resources

/// All that some paths stand for, for who reads and does not write. A bad file does not hide the others.
package struct WrappedSecretFiles: Sendable {
    /// Those with WrappedSecrets.
    package let files: [WrappedSecretFile]
    /// What cannot be read, and paths without any WrappedSecret.
    package let problems: [InputError]

    package init(reading paths: [String]) {
        (files, problems) = ManifestPaths(paths).read(kind: WrappedSecret.resource.kind) {
            path throws(InputError) in
            let file = try WrappedSecretFile(reading: path)
            return file.documents.isEmpty ? nil : file
        }
    }

    package var documents: [WrappedSecretDocument] { files.flatMap(\.documents) }
}
