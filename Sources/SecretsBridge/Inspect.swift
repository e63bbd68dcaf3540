import ArgumentParser
import CLI
import YAML

struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what WrappedSecrets in files say to whoever has no key.",
        discussion: """
            Recipients and their versions, scope, entries and the sizes of their values. No KMS is asked.

              secrets-bridge inspect db.yaml
              secrets-bridge inspect -o json clusters/
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case text, json, yaml
    }

    @Argument(help: "Files, and folders whose YAML and JSON files are taken; - is standard input.")
    var paths: [String]

    @Option(name: .shortAndLong, help: "The namespace of WrappedSecrets that do not say it.")
    var namespace: String?

    @Option(name: .shortAndLong, help: "Write text, json or yaml.")
    var output: Format = .text

    func run() throws {
        do throws(InputError) {
            var found: [Inspection] = []
            for path in try ManifestPaths.files(paths) {
                for document in try WrappedSecretFile(reading: path).documents {
                    found.append(try Inspection(document, namespace: namespace))
                }
            }
            guard !found.isEmpty else {
                throw InputError("no WrappedSecret is in \(paths.joined(separator: ", "))")
            }
            switch output {
            case .text: found.flatMap(\.lines).forEach(Console.say)
            case .json: try write(.json, found)
            case .yaml: try write(.yaml, found)
            }
        } catch {
            throw CommandError(error)
        }
    }

    private func write(_ format: OutputFormat, _ found: [Inspection]) throws(InputError) {
        do {
            try format.write([.sequence(found.map(\.value))])
        } catch {
            throw InputError("\(error)")
        }
    }
}
