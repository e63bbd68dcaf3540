/// All that some paths stand for, for who reads and does not write. A bad file does not hide the others.
package struct WrappedSecretFiles: Sendable {
    /// Those with WrappedSecrets.
    package private(set) var files: [WrappedSecretFile] = []
    /// What cannot be read, and paths without any WrappedSecret.
    package private(set) var problems: [InputError]

    package init(reading paths: [String]) {
        let found = ManifestPaths(paths)
        problems = found.problems
        // One that cannot be read may have some.
        var eventful: Set<String> = []
        for path in found.files {
            do throws(InputError) {
                let file = try WrappedSecretFile(reading: path)
                guard !file.documents.isEmpty else { continue }
                files.append(file)
            } catch {
                problems.append(error)
            }
            eventful.insert(path)
        }
        problems += found.problems(withoutAnyOf: eventful)
    }

    package var documents: [WrappedSecretDocument] { files.flatMap(\.documents) }
}
