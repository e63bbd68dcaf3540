import ArgumentParser
import CLI
import JSON

struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what WrappedSecrets in files reveal without a key.",
        discussion: """
            Prints recipients and their key versions, the scope, the entries and the sizes of their values, and the rule of \
            .secrets-bridge.yaml that holds for the file. Sends no request to a KMS.

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

    @OptionGroup var rules: RulesOptions

    func run() throws {
        let files = WrappedSecretFiles(reading: paths)
        let book = rules.book()
        let (inspections, found) = Inspection.all(in: files.files, namespace: namespace) {
            path throws(InputError) in try book.lookup(path)
        }
        let known = Set(files.problems)
        let problems = files.problems + found.filter { !known.contains($0) }
        if output == .text { inspections.flatMap(\.lines).forEach(Console.writeLine) }
        try output.structuredFormat?.write([.array(inspections.map(\.value))])
        Console.errors(problems.map(\.description))
        if !problems.isEmpty { throw ExitCode.failure }
    }
}
