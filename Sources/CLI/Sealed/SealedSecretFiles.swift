import YAML

/// The SealedSecrets that some paths stand for.
package struct SealedSecretFiles: Sendable {
    package let documents: [SealedSecretDocument]
    /// What cannot be read, and paths without any SealedSecret.
    package let problems: [InputError]
    /// Files of folders that are not YAML, as templates are, and links that lead nowhere. They do not stop the others.
    package let unreadable: [InputError]

    package init(reading paths: [String]) {
        let kind = SealedSecretDocument.kind
        let manifests = ManifestPaths(paths)
        let read = manifests.read(kind: kind) { path throws(InputError) -> Readings? in
            let source = ManifestFile.displayName(path)
            let contents = try ManifestFile.rawContents(of: path)
            let objects: [YAMLNode]
            do throws(InputError) {
                try TextEncoding.rejectUTF16(contents, source: source)
                objects = try ManifestFile.objects(
                    in: contents, source: source, kind: kind, group: SealedSecretDocument.group)
            } catch  where !paths.contains(path) {
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
