import ArgumentParser
import CLI
import JSON

struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what WrappedSecrets in files reveal without a key.",
        discussion: """
            Prints recipients and their key versions, the scope, the entries and the sizes of their values. Sends no request \
            to a KMS.

              secrets-bridge inspect db.yaml
              secrets-bridge inspect -o json clusters/
            """)

    @Argument(
        help: "Files, and folders, of which YAML and JSON files are read. - is standard input.",
        completion: manifestCompletion)
    var paths: [String]

    @Option(
        name: .shortAndLong, help: "The namespace of WrappedSecrets without one.",
        transform: parseNamespace)
    var namespace: String?

    @Option(name: .shortAndLong, help: "Write text, json or yaml.")
    var output: ReportFormat = .text

    func run() throws {
        let files = WrappedSecretFiles(reading: paths)
        var problems = files.problems
        var inspections: [Inspection] = []
        for document in files.documents {
            do throws(InputError) {
                inspections.append(try Inspection(document, namespace: namespace))
            } catch {
                problems.append(error)
            }
        }
        if output == .text { inspections.flatMap(\.lines).forEach(Console.writeLine) }
        try output.structuredFormat?.write([.array(inspections.map(\.value))])
        Console.errors(problems.map(\.description))
        if !problems.isEmpty { throw ExitCode.failure }
    }
}
