import ArgumentParser
import CLI
import Cryptography
import Envelope
import KMS
import YAML

enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case yaml, json

    func write(_ documents: [JSONValue]) throws { try Console.write(text(documents)) }

    func text(_ documents: [JSONValue]) -> SecretBytes {
        switch self {
        case .yaml: YAMLWriter.write(documents)
        case .json: JSONWriter.write(documents)
        }
    }
}

/// Where manifests come from and go to.
struct ManifestOptions: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "Files of at most \(YAMLReader.maximumSizeDescription) to read; - is standard input, which is read where none is given."
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
        help: "The namespace the Secret is for; needed where the manifest does not say it.",
        transform: parseNamespace)
    var namespace: String?

    @Option(name: .shortAndLong, help: "Write yaml or json.")
    var output: OutputFormat = .yaml

    @OptionGroup var outputFile: OutputFileOptions

    var paths: [String] { filename + files }

    func validate() throws { try checkStandardInputIsReadOnce(paths) }

    /// Reads every file before anything is done with one of them.
    func readAll() throws -> [(source: String, contents: SharedSecret)] {
        try (paths.isEmpty ? ["-"] : paths).map { path in
            do throws(InputError) {
                return (ManifestFile.displayName(path), try ManifestFile.contents(of: path))
            } catch {
                throw CommandError(error)
            }
        }
    }
}

/// A key, as an option names it.
func parseKeySelector(_ argument: String) throws -> KeySelector {
    do throws(InputError) {
        return try KeySelector(argument)
    } catch {
        throw ValidationError(error.description)
    }
}

func loadKeys(
    for user: ProgramMode = .commandLine, observer: (any KeyManagerObserver)? = nil,
    warn: (String) -> Void = Console.note
) throws -> KeyRing {
    do {
        return try KeyRing.load(from: .process, for: user, observer: observer, warn: warn)
    } catch {
        throw CommandError(error)
    }
}
