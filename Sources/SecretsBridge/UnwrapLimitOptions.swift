import ArgumentParser
import Controller

/// How much of the KMS each namespace may use.
struct UnwrapLimitOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Data keys that the objects of one namespace may ask the KMS for in a second, once --kms-namespace-burst is spent. 0: no limit.",
            valueName: "number"))
    var kmsNamespaceRate = UnwrapRateLimit().rate

    @Option(
        help: ArgumentHelp(
            "Data keys that the objects of one namespace may ask the KMS for at once.", valueName: "number"))
    var kmsNamespaceBurst = UnwrapRateLimit().burst

    /// nil: none.
    var limit: UnwrapRateLimit? {
        guard kmsNamespaceRate > 0 else { return nil }
        var limit = UnwrapRateLimit()
        limit.rate = kmsNamespaceRate
        limit.burst = kmsNamespaceBurst
        return limit
    }

    func validate() throws {
        guard (0...1_000_000).contains(kmsNamespaceRate) else {
            throw ValidationError(
                "--kms-namespace-rate is \(kmsNamespaceRate); 1 to 1000000 a second are expected, or 0 for no limit"
            )
        }
        guard (1...1_000_000).contains(kmsNamespaceBurst) else {
            throw ValidationError(
                "--kms-namespace-burst is \(kmsNamespaceBurst); 1 to 1000000 are expected")
        }
    }
}
