import ArgumentParser
import CLI
import System
import YAML

/// `--output-file`: where a command writes its manifests.
struct OutputFileOptions: ParsableArguments {
    @Option(
        name: [.customShort("w"), .long],
        help: ArgumentHelp(
            "Write to this file instead of standard output, whole or not at all; - is standard output.",
            valueName: "file"),
        completion: manifestCompletion)
    var outputFile: String?

    func validate() throws {
        if outputFile == "" { throw ValidationError("--output-file is empty; give the path of a file") }
    }

    /// Checks what can be checked before the work is done.
    func open(_ permissions: OutputFile.Permissions) throws -> ManifestOutput {
        guard let outputFile, outputFile != "-" else { return .standardOutput }
        do throws(FileError) {
            return .file(try OutputFile(outputFile, permissions: permissions), path: outputFile)
        } catch {
            throw ManifestOutput.failure(outputFile, error)
        }
    }
}

/// Where manifests go.
enum ManifestOutput {
    case standardOutput
    case file(OutputFile, path: String)

    func write(_ documents: [JSONValue], as format: OutputFormat) throws {
        switch self {
        case .standardOutput: try format.write(documents)
        case .file(let file, let path):
            do throws(FileError) {
                try file.write(format.text(documents))
            } catch {
                throw Self.failure(path, error)
            }
        }
    }

    static func failure(_ path: String, _ error: FileError) -> CommandError {
        CommandError(InputError(unwritable: path, error.reason))
    }
}
