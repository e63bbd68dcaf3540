import ArgumentParser
import CLI
import Cryptography
import KMS
import Settings
import YAML

/// The manifests that a command reads, and the format and the file of its output.
struct ManifestOptions: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "Files to read, at most \(YAMLReader.maximumSizeDescription) each. The default, -, is standard input."
        ),
        completion: manifestCompletion)
    var files: [String] = []

    @Option(
        name: [.customShort("f"), .long], parsing: .singleValue,
        help: ArgumentHelp("Read this file too. May be repeated.", valueName: "file"),
        completion: manifestCompletion)
    var filename: [String] = []

    @Option(
        name: .shortAndLong,
        help: "The namespace of the Secret, if the manifest does not have one.",
        transform: parseNamespace)
    var namespace: String?

    @Option(name: .shortAndLong, help: "Write yaml or json.")
    var output: OutputFormat = .yaml

    @OptionGroup var outputFile: OutputFileOptions

    var paths: [String] { filename + files }

    func validate() throws { try checkStandardInputIsReadOnce(paths) }

    /// Reads all files before the first one is processed.
    func readAll() throws -> [(source: String, contents: SharedSecret)] {
        try (paths.isEmpty ? ["-"] : paths).map { path in
            (ManifestFile.displayName(path), try ManifestFile.contents(of: path))
        }
    }
}

/// Options that give the entries of a Secret, as in `kubectl create secret`.
struct EntryOptions: ParsableArguments {
    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "An entry. Other users of this machine can see it in the process list. May be repeated.",
            valueName: "key=value"))
    var fromLiteral: [String] = []

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "An entry from a file, or one from each file of a folder. May be repeated.",
            valueName: "[key=]path"),
        completion: .file())
    var fromFile: [String] = []

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "Entries from a file with lines of KEY=VALUE. May be repeated.", valueName: "path"),
        completion: .file())
    var fromEnvFile: [String] = []

    @OptionGroup var registry: RegistryOptions

    @OptionGroup var tls: TLSOptions

    var isEmpty: Bool {
        (fromLiteral + fromFile + fromEnvFile).isEmpty && registry.isEmpty && tls.isEmpty
    }

    func validate() throws {
        try checkStandardInputIsReadOnce(paths)
    }

    /// The files that are read.
    var paths: [String] {
        fromFile.map(pathOfFileOption) + fromEnvFile
            + [registry.dockerPasswordFile, tls.tlsCert, tls.tlsKey].compactMap(\.self)
    }

    func read() throws -> SecretArguments {
        var input = SecretArguments()
        for literal in fromLiteral { try input.addLiteral(literal) }
        for file in fromFile { try input.addFile(file) }
        for file in fromEnvFile {
            try input.addEnvFile(file) {
                Environment.process.exactValue($0).map { SharedSecret(copying: $0.utf8) }
            }
        }
        try tls.add(to: &input)
        try registry.add(to: &input)
        input.notes.forEach(Console.note)
        return input
    }
}
