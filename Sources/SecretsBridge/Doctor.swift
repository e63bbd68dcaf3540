import ArgumentParser
import CLI
import Envelope
import FoundationEssentials

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Check the settings, the permissions on each key and the cluster, and show how to fix problems.",
        discussion: """
            Each key is tested with new data keys for a Secret in --namespace, or in the namespace that kubectl would use: \
            a policy may allow a key for one namespace only. Not every NO is an error: a user who wraps need not be able to \
            unwrap. With --namespace or --all-namespaces the cluster is checked too: whether the namespace exists, whether \
            a WrappedSecret has a configured key as recipient, and whether a controller reconciles them. Exit codes: 0 every \
            key can be used for something, and the cluster responds; 1 otherwise; 64 wrong usage.

              secrets-bridge doctor
              secrets-bridge doctor -n payments
            """)

    @OptionGroup var cluster: ClusterOptions

    @OptionGroup var providers: ProviderOptions

    @Option(
        name: .shortAndLong, help: "Test keys for this namespace, and check it in the cluster.",
        transform: parseNamespace)
    var namespace: String?

    func run() async throws {
        // Invalid settings are reported first.
        let keys = try providers.keys(namespace: namespace)
        let testNamespace = try namespace ?? cluster.access.contextNamespace()
        var allPassed = true
        var shown: Set<String> = []
        for key in keys.all {
            let findings = await KeyDiagnostics(key, namespace: testNamespace).findings()
            // Wrapping resolves an alias to its key; if it did not work, the key is resolved here.
            if !findings.contains(where: { $0.verdict == .passed }) {
                do throws(KeyManagerError) {
                    try await (key as? any DiagnosableKeyManager)?.resolveKeyID()
                } catch {
                    if !findings.contains(where: { $0.verdict == .failed(error.message) }) {
                        Console.note("\(error)")
                    }
                }
            }
            Console.writeLine("key \(key.keyID), for Secrets of namespace \(testNamespace)")
            findings.lines(reported: &shown).forEach(Console.writeLine)
            allPassed = allPassed && findings.isUsable
        }
        if let selection = cluster.selection(namespace: namespace) {
            Console.writeLine("cluster")
            let findings = await ClusterDiagnostics(try cluster.client(), selection, keys: keys).findings {
                Date()
            }
            findings.lines(reported: &shown).forEach(Console.writeLine)
            allPassed = allPassed && findings.allRequiredPass
        }
        if !allPassed { throw ExitCode.failure }
    }
}
