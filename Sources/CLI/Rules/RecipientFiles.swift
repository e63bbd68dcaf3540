package import Envelope
import System

/// The key of a recipient file.
package struct RecipientFileKey: Sendable {
    /// The path in messages.
    package let path: String
    /// The path as the user or a rule wrote it, absolute or relative to the working folder. It may lead over links.
    let writtenPath: String
    package let key: RecipientKey

    package init(path: String, writtenPath: String? = nil, key: RecipientKey) {
        self.path = path
        self.writtenPath = writtenPath ?? path
        self.key = key
    }
}

/// The recipient files of a rules file, which `recipients[].file` of its rules name.
struct RecipientFiles: Sendable {
    /// The folder of the rules file, which paths are relative to. Absolute, without symbolic links.
    private let folder: String
    /// The root of the repository, or the folder if it is in none. No file outside it is read.
    private let root: String

    init(folder: String, root: String) {
        self.folder = folder
        self.root = root
    }

    /// - Throws: `InputError` if the file is outside the repository, or is no recipient file.
    func key(inFile path: String, _ field: String, _ location: String) throws(InputError) -> RecipientFileKey
    {
        guard !path.hasPrefix("/") else {
            throw InputError(
                location, "\(field) is absolute; give a path relative to the folder of the rules file")
        }
        // A review of a commit reads the files with these names.
        guard Self.isReviewed(path) else {
            throw InputError(
                location, "\(field) has another ending than .yaml, .yml and .json; rename the file")
        }
        guard let file = AbsolutePath(existing: "\(folder)/\(path)"), case .file? = file.kind else {
            throw InputError(
                location,
                "\(field): there is no file \(path) in the folder of the rules file; correct the path")
        }
        guard Self.isReviewed(file.path) else {
            throw InputError(
                location,
                "\(field): \(path) is a link to a file with another ending than .yaml, .yml and .json; rename that file"
            )
        }
        guard file.relative(to: root) != nil else {
            throw InputError(
                location,
                "\(field): \(path) leads out of the repository (\(root)); copy the recipient file into it")
        }
        return RecipientFileKey(
            path: file.display, writtenPath: "\(folder)/\(path)", key: try RecipientFile.read(file.path))
    }

    private static func isReviewed(_ path: String) -> Bool {
        [".yaml", ".yml", ".json"].contains(where: path.lowercased().hasSuffix)
    }
}
