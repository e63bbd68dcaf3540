import ArgumentParser
import CLI
import Envelope
import FoundationEssentials
import KubeClient
import Primitives
import YAML

struct Import: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Wrap Secrets that a cluster has already.",
        discussion: """
            Reads them from the API server, and writes WrappedSecret manifests to standard output or, a file each, \
            into a folder. Secrets that somebody else makes (a controller's, service-account tokens, Helm's) are left \
            out, unless they are named. To let the WrappedSecret take over: kubectl annotate secret NAME \
            secrets-bridge.io/allow=adopt

              secrets-bridge import -n payments db
              secrets-bridge import --all-namespaces --folder clusters/production
            """)

    @Argument(help: "Names of Secrets; none: all of the namespace.")
    var names: [String] = []

    @OptionGroup var cluster: ClusterOptions

    @Option(name: .shortAndLong, help: "The namespace.")
    var namespace: String?

    @Option(help: "What the ciphertext is bound to: strict, namespace or cluster.")
    var scope: Scope = .strict

    @Option(
        help: ArgumentHelp(
            "Write a file for each, NAMESPACE/NAME.yaml; those that are there are left.", valueName: "path"),
        completion: .directory)
    var folder: String?

    @Option(name: .shortAndLong, help: "Without --folder: write yaml or json.")
    var output: OutputFormat = .yaml

    func validate() throws {
        if cluster.selection(namespace: namespace) == nil {
            throw ValidationError("give --namespace or --all-namespaces")
        }
        if !names.isEmpty, namespace == nil || cluster.selector != nil {
            throw ValidationError("names need --namespace, and no --selector")
        }
    }

    func run() async throws {
        guard let selection = cluster.selection(namespace: namespace) else { return }
        do throws(InputError) {
            let secretImport = SecretImport(
                secrets: LiveSecrets(try access()), keys: try keys(), scope: scope)
            let progress = ProgressLine(total: nil)
            defer { progress.end() }
            let outputs = try await secretImport.wrap(
                selection, names: names, note: { note in progress.above { Console.note(note) } },
                expect: progress.expect, advance: { progress.advance(by: 1) })
            progress.end()
            outputs.flatMap(\.notes).forEach(Console.note)
            if let folder {
                for output in outputs { try write(output, in: folder) }
            } else {
                try write(outputs.map(\.manifest))
            }
        } catch {
            throw CommandError(error)
        }
    }

    private func write(_ output: SecretImport.Output, in folder: String) throws(InputError) {
        let parent = "\(folder)/\(output.namespace)"
        let path = "\(parent)/\(output.name).yaml"
        do {
            try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
        } catch {
            throw InputError("cannot make the folder \(parent): \(error)")
        }
        do throws(FileError) {
            guard try FileCreation.create(path, with: YAMLWriter.write([output.manifest])) else {
                Console.note("\(path) is there and was left as it is")
                return
            }
        } catch {
            throw InputError("cannot write \(path): \(error.reason)")
        }
        Console.say(path)
    }

    private func write(_ manifests: [YAMLValue]) throws(InputError) {
        do {
            try output.write(manifests)
        } catch {
            throw InputError("\(error)")
        }
    }

    private func access() throws(InputError) -> KubeClient {
        do {
            return try cluster.client()
        } catch {
            throw InputError("\(error)")
        }
    }

    private func keys() throws(InputError) -> KeyRing {
        do {
            return try loadKeys()
        } catch {
            throw InputError("\(error)")
        }
    }
}
