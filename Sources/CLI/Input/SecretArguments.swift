package import Cryptography
import Envelope
package import FoundationEssentials
import System

/// Builds a Secret from command-line arguments that mean what they mean in `kubectl create secret generic`.
package struct SecretArguments: Sendable {
    /// The size limit in bytes of a file, and of all values. A Secret holds less, so more is a mistake.
    private static let limit = 4 * 1024 * 1024

    private var entries: [SecretEntry] = []
    private var byteCount = 0
    private var names: Set<String> = []
    /// Notes on arguments that the user may not have intended, one line each.
    package private(set) var notes: [String] = []
    /// The type that `addRegistry` or `addTLSPair` requires.
    private var requiredType: String?

    package init() {}

    /// Adds `KEY=VALUE`.
    package mutating func addLiteral(_ argument: String) throws(InputError) {
        // Splits bytes: in a String, "=" with a combining mark after it is another character.
        let bytes = argument.utf8
        guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")), equals > bytes.startIndex else {
            throw InputError("--from-literal: KEY=VALUE is expected", isUsage: true)
        }
        let value = bytes[bytes.index(after: equals)...]
        let key = String(argument[..<equals])
        try checkArgument(key, "--from-literal")
        try add(key, SharedSecret(copying: value), "--from-literal")
    }

    /// Adds `[KEY=]PATH`: a file, or the files of a folder.
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
        let files = try Self.files(in: path)
        guard files.count <= EnvelopeValidation.maximumEntries else {
            throw InputError(
                "\(option): the folder \(path) has \(files.count) files; a Secret has at most \(EnvelopeValidation.maximumEntries) "
                    + "entries")
        }
        for name in files {
            try add(name, try Self.read("\(path)/\(name)"), "\(option) \(path)/\(name)")
        }
    }

    /// Adds lines of `KEY=VALUE`. `KEY` alone takes its value from `environment`. Without a variable of this name, the line is
    /// refused, unlike with kubectl: it may be a part of a value, and would become the name of an empty entry.
    package mutating func addEnvFile(
        _ path: String, environment: (String) -> SharedSecret?
    ) throws(InputError) {
        let contents = try Self.read(path)
        for line in try EnvFile.lines(contents, source: path) {
            let location = "\(path):\(line.number)"
            guard let value = line.value ?? environment(line.key) else {
                throw InputError(
                    location,
                    "a line without = is the name of an environment variable, and there is none of this name; KEY=VALUE is "
                        + "expected, or KEY= for an empty value; values over several lines need --from-file")
            }
            try add(line.key, value, location)
            if line.value == nil {
                notes.append("\(location): \(line.key) has no =; its value is taken from the environment")
            }
            notes += line.notes.map { "\(location): the value of \(line.key) \($0)" }
        }
    }

    /// Reads `KEY=FILE`, a template for a key of the Secret.
    package static func template(_ argument: String) throws(InputError) -> (key: String, text: String) {
        let bytes = argument.utf8
        guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")), equals > bytes.startIndex else {
            throw InputError("--template: KEY=FILE is expected", isUsage: true)
        }
        let key = String(argument[..<equals])
        let path = String(argument[bytes.index(after: equals)...])
        do throws(InputError) {
            try ManifestFields.checkEntryName(key, "--template")
        } catch {
            throw InputError(error.description, isUsage: true)
        }
        let contents = try read(path)
        // A template is not secret: it is stored as it is.
        let text = contents.bytes.withUnsafeBytes { String(validating: $0, as: UTF8.self) }
        guard let text else { throw InputError(path, "is not UTF-8 text, which a template has to be") }
        return (key, text)
    }

    /// Adds the value on standard input.
    ///
    /// - Throws: `InputError` if there is none, as after a program in a pipeline that failed.
    package mutating func addStandardInput(of key: String) throws(InputError) {
        let path = "/dev/stdin"
        let value = try Self.read(path)
        guard value.count > 0 else {
            throw InputError(
                "\(key): standard input is empty; for an empty value, give --from-literal \(key.shellQuoted)="
            )
        }
        try add(key, value, "standard input")
        if let note = TrailingNewline.note(value, of: key, from: path) { notes.append(note) }
    }

    /// Adds a value that is neither an argument nor in a file, such as one typed at a prompt.
    package mutating func addValue(_ value: SharedSecret, of key: String) throws(InputError) {
        try add(key, value, "arguments")
    }

    /// Adds the configuration of an image registry, as `kubectl create secret docker-registry`.
    package mutating func addRegistry(_ credential: RegistryCredential) throws(InputError) {
        try add(".dockerconfigjson", credential.configuration, "--docker-server")
        notes += credential.notes
        try require(type: "kubernetes.io/dockerconfigjson")
    }

    /// Adds a certificate and its key, as `kubectl create secret tls`.
    package mutating func addTLSPair(
        certificate certificatePath: String, key keyPath: String, at now: Date
    ) throws(InputError) {
        let certificate = try Self.read(certificatePath)
        let key = try Self.read(keyPath)
        notes += try TLSKeyPair.check(certificate: certificate, certificatePath, key: key, keyPath, at: now)
        try add("tls.crt", certificate, "--tls-cert")
        try add("tls.key", key, "--tls-key")
        try require(type: "kubernetes.io/tls")
    }

    private mutating func require(type: String) throws(InputError) {
        guard requiredType == nil else {
            throw InputError(
                "--docker-username and --tls-cert are for different types of Secrets; give one of them",
                isUsage: true)
        }
        requiredType = type
    }

    /// - Parameter type: The type, or nil for the one that the arguments imply.
    package func secret(name: String, namespace: String?, type: String?) -> SecretInput {
        var secret = SecretInput(
            name: name, namespace: namespace, type: type ?? requiredType, source: "arguments")
        secret.entries = entries.sorted { $0.name < $1.name }
        return secret
    }

    /// Checks the name of an entry that comes from an argument, not from a file name.
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
        guard names.count <= EnvelopeValidation.maximumEntries else {
            throw InputError("\(source): a Secret has at most \(EnvelopeValidation.maximumEntries) entries")
        }
        byteCount += value.count
        guard byteCount <= Self.limit else {
            throw InputError("\(source): the values have more than 4 MiB in all; a Secret holds 1 MiB")
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

    /// Returns the regular files of a folder, without subfolders and symbolic links, as kubectl does.
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

/// Detects the line break that `echo` and Enter append to a value, which is hardly ever intended.
enum TrailingNewline {
    /// Returns a note if the value is one line that ends with a line break, or else nil. The last of several lines, as
    /// in a PEM file, properly ends with one.
    ///
    /// - Parameter path: The path that the value was read from.
    static func note(_ value: SharedSecret, of entry: String, from path: String) -> String? {
        guard DescriptorPath.isStream(path), endsItsOnlyLine(value) else { return nil }
        return "the value of \(quoted(entry)) ends with a line break, which came from "
            + (DescriptorPath.isStandardInput(path) ? "standard input" : path)
            + " and is kept; use printf %s or echo -n to omit it"
    }

    private static func endsItsOnlyLine(_ value: SharedSecret) -> Bool {
        value.bytes.withUnsafeBytes { bytes in
            bytes.firstIndex(of: UInt8(ascii: "\n")) == bytes.count - 1
        }
    }
}
