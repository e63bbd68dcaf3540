import Envelope
import System

/// Reads the key of a recipient file, which `recipients[].file` of a rule names.
package protocol RecipientFileReader: Sendable {
    /// Returns the backend of the key and its id, as recipients of WrappedSecrets carry it.
    ///
    /// - Parameters:
    ///   - path: An absolute path without symbolic links, inside the repository.
    ///   - name: The path in messages.
    func key(inFile path: String, named name: String) throws(InputError) -> (backend: String, keyID: String)
}

/// The recipient files of a rules file.
struct RecipientFiles: Sendable {
    /// The folder of the rules file, which paths are relative to. Absolute, without symbolic links.
    private let folder: String
    /// The root of the repository, or the folder if it is in none. No file outside it is read.
    private let root: String
    /// Nil if this program reads no recipient files. The field is then refused.
    private let reader: (any RecipientFileReader)?

    init(folder: String, root: String, reader: (any RecipientFileReader)?) {
        self.folder = folder
        self.root = root
        self.reader = reader
    }

    /// - Throws: `InputError` if the file is outside the repository, cannot be read, or has no key.
    func key(inFile path: String, _ field: String, _ location: String) throws(InputError) -> KeySelector {
        guard let reader else {
            throw InputError(
                location,
                "\(field) is not supported by this version of the program; give backend and keyID instead")
        }
        guard !path.hasPrefix("/") else {
            throw InputError(
                location, "\(field) is absolute; give a path relative to the folder of the rules file")
        }
        guard let file = AbsolutePath(existing: "\(folder)/\(path)"), case .file? = file.kind else {
            throw InputError(
                location,
                "\(field): there is no file \(path) in the folder of the rules file; correct the path")
        }
        guard file.relative(to: root) != nil else {
            throw InputError(
                location,
                "\(field): \(path) leads out of the repository (\(root)); copy the recipient file into it")
        }
        let found = try reader.key(inFile: file.path, named: path)
        guard let key = KeySelector(backend: found.backend, keyID: found.keyID) else {
            throw InputError(
                location, "\(field): \(path) has no key id of a known backend; export the recipient again")
        }
        return key
    }
}
