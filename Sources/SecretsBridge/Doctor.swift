import ArgumentParser
import CLI
import Envelope
import FoundationEssentials

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check settings, what each key may be used for, and the cluster, and say what to fix.",
        discussion: """
            Keys are tried on data keys of their own, for a Secret of --namespace, or else of the namespace that kubectl \
            would use: a policy may allow a key for one namespace alone. Not every NO is an error: whoever wraps need \
            not be able to unwrap. With --namespace or --all-namespaces the cluster is looked at, too: whether the \
            namespace exists, whether its WrappedSecrets list a configured key, and whether a controller looks after them. Exit codes: 0 every key can be \
            used for something, and the cluster answers; 1 not so; 64 wrong usage.

              secrets-bridge doctor
              secrets-bridge doctor -n payments
            """)

    @OptionGroup var cluster: ClusterOptions

    @Option(
        name: .shortAndLong, help: "Try keys for that namespace, and look at it in the cluster.",
        transform: parseNamespace)
    var namespace: String?

    func run() async throws {
        // A setting that is wrong is the first thing to report.
        let keys = try loadKeys()
        let place = try namespace ?? cluster.access.contextNamespace()
        var isWell = true
        var told: Set<String> = []
        for key in keys.all {
            let findings = await KeyDiagnostics(key, namespace: place).findings()
            // What wraps says which key an alias stands for; otherwise it is asked for.
            if !findings.contains(where: { $0.verdict == .passed }) {
                do throws(KeyManagerError) {
                    try await key.resolveKeyID()
                } catch {
                    if !findings.contains(where: { $0.verdict == .failed(error.message) }) {
                        Console.note("\(error)")
                    }
                }
            }
            Console.writeLine("key \(key.keyID), for Secrets of namespace \(place)")
            findings.lines(told: &told).forEach(Console.writeLine)
            isWell = isWell && findings.isUsable
        }
        if let selection = cluster.selection(namespace: namespace) {
            Console.writeLine("cluster")
            let findings = await ClusterDiagnostics(try cluster.client(), selection, keys: keys).findings {
                Date()
            }
            findings.lines(told: &told).forEach(Console.writeLine)
            isWell = isWell && findings.allRequiredPass
        }
        if !isWell { throw ExitCode.failure }
    }
}
