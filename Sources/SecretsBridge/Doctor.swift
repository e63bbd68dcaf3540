import ArgumentParser
import CLI
import Envelope
import FoundationEssentials

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check settings, what each key may be used for, and the cluster, and say what to fix.",
        discussion: """
            Keys are tried on data keys of their own. Not every NO is an error: whoever wraps need not be able to \
            unwrap. With --namespace or --all-namespaces the cluster is looked at, too. Exit codes: 0 every key can \
            be used for something, and the cluster answers; 1 not so; 64 wrong usage.

              secrets-bridge doctor
              secrets-bridge doctor --all-namespaces
            """)

    @OptionGroup var cluster: ClusterOptions

    @Option(name: .shortAndLong, help: "Look at that namespace of the cluster.", transform: namespaceName)
    var namespace: String?

    func run() async throws {
        // A setting that is wrong is the first thing to say.
        let keys = try loadKeys()
        var isWell = true
        for key in keys.all {
            do throws(KeyManagerError) {
                try await key.identify()
            } catch {
                Console.note("\(error)")
            }
            Console.say("key \(key.keyID)")
            let findings = await KeyCheckup(key).findings()
            findings.map(\.line).forEach(Console.say)
            isWell = isWell && findings.isUsable
        }
        if let selection = cluster.selection(namespace: namespace) {
            Console.say("cluster")
            let findings = await ClusterCheckup(try cluster.client(), selection).findings { Date() }
            findings.map(\.line).forEach(Console.say)
            isWell = isWell && findings.first?.verdict == .works
        }
        if !isWell { throw ExitCode.failure }
    }
}
