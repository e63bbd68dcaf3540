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

    @Argument(
        help: "Files, and folders whose YAML and JSON files are taken; - is standard input.",
        completion: manifestCompletion)
    var paths: [String]

    @Option(
        name: .shortAndLong, help: "The namespace of WrappedSecrets that do not say it.",
        transform: parseNamespace)
    var namespace: String?

    @Option(name: .shortAndLong, help: "Write text, json or yaml.")
    var output: Format = .text

    func run() throws {
        let files = WrappedSecretFiles(reading: paths)
        var problems = files.problems
        var found: [Inspection] = []
        for document in files.documents {
            do throws(InputError) {
                found.append(try Inspection(document, namespace: namespace))
            } catch {
                problems.append(error)
            }
        }
        switch output {
        case .text: found.flatMap(\.lines).forEach(Console.writeLine)
        case .json: try OutputFormat.json.write([.array(found.map(\.value))])
        case .yaml: try OutputFormat.yaml.write([.array(found.map(\.value))])
        }
        Console.errors(problems.map(\.description))
        if !problems.isEmpty { throw ExitCode.failure }
    }
}
