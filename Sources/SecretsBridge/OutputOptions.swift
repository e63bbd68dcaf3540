import ArgumentParser
import CLI
import Cryptography
import JSON
import System
import YAML

/// `--output-file`: where a command writes its manifests.
struct OutputFileOptions: ParsableArguments {
    @Option(
        name: [.customShort("w"), .long],
        help: ArgumentHelp(
            "Write to this file instead of standard output. It is replaced as a whole, or not at all. - is standard output.",
            valueName: "file"),
        completion: manifestCompletion)
    var outputFile: String?

    /// The path that rules are for, or nil for standard output.
    var rulePath: String? { outputFile == "-" ? nil : outputFile }

    func validate() throws {
        if outputFile == "" { throw ValidationError("--output-file is empty; give the path of a file") }
    }

    /// Checks that the file can be written, before the command does its work.
    func open(_ permissions: OutputFile.Permissions) throws -> ManifestOutput {
        guard let outputFile, outputFile != "-" else { return .standardOutput }
        do throws(FileError) {
            return .file(try OutputFile(outputFile, permissions: permissions), path: outputFile)
        } catch {
            throw ManifestOutput.failure(outputFile, error)
        }
    }
}

/// The destination of a command's manifests.
enum ManifestOutput {
    case standardOutput
    case file(OutputFile, path: String)

    func write(_ documents: [JSONValue], as format: OutputFormat) throws { try write(format.text(documents)) }

    /// Writes WrappedSecrets. A file in YAML begins with the line for editors.
    func write(wrappedSecrets documents: [JSONValue], as format: OutputFormat) throws {
        guard case .file = self, format == .yaml, !documents.isEmpty else {
            return try write(documents, as: format)
        }
        try write(NewManifest.yaml(documents))
    }

    /// Writes a text that is not secret.
    func write(_ text: String) throws { try write(SecretBytes(copying: Array(text.utf8))) }

    private func write(_ contents: borrowing SecretBytes) throws {
        switch self {
        case .standardOutput: try Console.write(contents)
        case .file(let file, let path):
            do throws(FileError) {
                try file.write(contents)
            } catch {
                throw Self.failure(path, error)
            }
        }
    }

    static func failure(_ path: String, _ error: FileError) -> InputError {
        InputError(unwritable: path, error.reason)
    }
}

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

/// The format of a report: text for users, or structured data.
enum ReportFormat: String, ExpressibleByArgument, CaseIterable {
    case text, json, yaml

    /// The format of structured data, which is nil for text.
    var structuredFormat: OutputFormat? {
        switch self {
        case .text: nil
        case .json: .json
        case .yaml: .yaml
        }
    }
}

/// The format of `diff`.
enum DiffFormat: String, ExpressibleByArgument, CaseIterable {
    case text, json, yaml, markdown

    var structuredFormat: OutputFormat? { ReportFormat(rawValue: rawValue)?.structuredFormat }
}

/// The format of `verify`.
enum VerifyFormat: String, ExpressibleByArgument, CaseIterable {
    case text, json, yaml, sarif, junit

    var structuredFormat: OutputFormat? { ReportFormat(rawValue: rawValue)?.structuredFormat }
}
