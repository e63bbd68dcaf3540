package import Cryptography
import Envelope
import FoundationEssentials
import System

/// Builds a Secret from command-line arguments, with the meaning they have in `kubectl create secret`.
package struct SecretArguments: Sendable {
    /// Largest file that is read, in bytes. A Secret holds less; more than that is a mistake.
    private static let limit = 4 * 1024 * 1024

    private var entries: [SecretEntry] = []
    private var names: Set<String> = []
    /// What may not be meant, one line each.
    package private(set) var notes: [String] = []

    package init() {}

    /// `KEY=VALUE`
    package mutating func addLiteral(_ argument: String) throws(InputError) {
        // By bytes: to String, a "=" with a combining mark after it is another character.
        let bytes = argument.utf8
        guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")), equals > bytes.startIndex else {
            throw InputError("--from-literal: KEY=VALUE is expected", isUsage: true)
        }
        let value = bytes[bytes.index(after: equals)...]
        let key = String(argument[..<equals])
        try checkArgument(key, "--from-literal")
        try add(key, SharedSecret(copying: value), "--from-literal")
    }

    /// `[KEY=]PATH`: a file, or a folder whose files are taken.
    package mutating func addFile(_ argument: String) throws(InputError) {
        let option = "--from-file"
        let parts = argument.utf8.split(separator: UInt8(ascii: "="), omittingEmptySubsequences: false).map {
            String(Substring($0))
        }
        let path = parts[parts.count - 1]
        let key = parts.count == 2 ? parts[0] : Self.lastComponent(path)
        guard parts.count <= 2, !path.isEmpty, !key.isEmpty else {
            throw InputError(
                "\(option): [KEY=]PATH is expected, neither with a \"=\" in it; a value is given with --from-literal",
                isUsage: true)
        }
        guard Self.isFolder(path) else {
            if parts.count == 2 { try checkArgument(key, option) }
            let value = try Self.read(path)
            try add(key, value, option)
            if let note = TrailingNewline.note(value, of: key, from: path) { notes.append(note) }
            return
        }
        guard parts.count == 1 else {
            throw InputError(
                "\(option): \(path) is a folder; leave out the key, its files' names are the keys",
                isUsage: true)
        }
        for name in try Self.files(in: path) {
            try add(name, try Self.read("\(path)/\(name)"), "\(option) \(path)/\(name)")
        }
    }

    /// Lines of `KEY=VALUE`; `KEY` alone takes its value from the environment, or is empty.
    package mutating func addEnvFile(
        _ path: String, environment: (String) -> SharedSecret?
    ) throws(InputError) {
        let contents = try Self.read(path)
        for line in try EnvFile.lines(contents, source: path) {
            let place = "\(path):\(line.number)"
            let value = line.value ?? environment(line.key)
            try add(line.key, value ?? SharedSecret(copying: []), place)
            if line.value == nil {
                notes.append(
                    "\(place): \(line.key) has no =; its value is "
                        + (value == nil ? "empty, as the environment has none" : "taken from the environment")
                )
            }
            notes += line.notes.map { "\(place): the value of \(line.key) \($0)" }
        }
    }

    package func secret(name: String, namespace: String?, type: String?) -> SecretInput {
        var secret = SecretInput(name: name, namespace: namespace, type: type, source: "arguments")
        secret.entries = entries.sorted { $0.name < $1.name }
        return secret
    }

    /// The name of an entry that is typed in an argument, and not read from a file.
    private func checkArgument(_ key: String, _ option: String) throws(InputError) {
        do throws(InputError) {
            try ManifestFields.checkEntryName(key, option)
        } catch {
            throw InputError(error.description, isUsage: true)
        }
    }

    private mutating func add(_ key: String, _ value: SharedSecret, _ source: String) throws(InputError) {
        try ManifestFields.checkEntryName(key, source)
        guard names.insert(key).inserted else {
            throw InputError("\(source): the entry \(quoted(key)) is given twice")
        }
        entries.append(SecretEntry(name: key, value: value))
    }

    private static func read(_ path: String) throws(InputError) -> SharedSecret {
        do throws(FileError) {
            return SharedSecret(try SecretBytes(contentsOfFile: path, limit: limit))
        } catch {
            throw InputError(unreadable: path, error.reason)
        }
    }

    private static func isFolder(_ path: String) -> Bool {
        var isFolder = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder
    }

    /// Regular files, as kubectl takes them: no subfolders, no links.
    private static func files(in folder: String) throws(InputError) -> [String] {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
            throw InputError("cannot read the folder \(folder)")
        }
        return names.sorted().filter {
            let attributes = try? FileManager.default.attributesOfItem(atPath: "\(folder)/\($0)")
            return attributes?[.type] as? FileAttributeType == .typeRegular
        }
    }

    private static func lastComponent(_ path: String) -> String {
        path.split(separator: "/").last.map(String.init) ?? ""
    }
}
