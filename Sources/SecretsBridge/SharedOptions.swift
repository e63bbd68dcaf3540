import ArgumentParser
import CLI
import Envelope
import KMS
import Primitives
import YAML

enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case yaml, json

    func write(_ documents: [YAMLValue]) throws {
        switch self {
        case .yaml: try Console.write(YAMLWriter.write(documents))
        case .json: try Console.write(JSONWriter.write(documents))
        }
    }
}

/// Where manifests come from and go to.
struct ManifestOptions: ParsableArguments {
    @Option(
        name: [.customShort("f"), .long], parsing: .singleValue,
        help: ArgumentHelp(
            "Read this file, of at most \(YAMLReader.maximumSize); - is standard input. May be repeated.",
            valueName: "file"),
        completion: manifestFiles)
    var filename: [String] = []

    @Option(
        name: .shortAndLong,
        help: "The namespace the Secret is for; needed where the manifest does not say it.")
    var namespace: String?

    @Option(name: .shortAndLong, help: "Write yaml or json.")
    var output: OutputFormat = .yaml

    /// Reads every file before anything is done with one of them.
    func read() throws -> [(source: String, contents: SharedSecret)] {
        try (filename.isEmpty ? ["-"] : filename).map { path in
            do throws(InputError) {
                return (ManifestFile.name(path), try ManifestFile.contents(of: path))
            } catch {
                throw CommandError(error)
            }
        }
    }
}

/// A key, as an option names it.
func keyName(_ argument: String) throws -> KeyName {
    do throws(InputError) {
        return try KeyName(argument)
    } catch {
        throw ValidationError(error.description)
    }
}

func loadKeys(observer: (any KeyManagerObserver)? = nil) throws -> KeyRing {
    do {
        return try KeyRing.load(from: .process, observer: observer)
    } catch {
        throw CommandError(error)
    }
}
