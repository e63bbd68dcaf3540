import ArgumentParser
import Controller
import Envelope
import KubeClient
import Resources
import System

/// The WrappedSecrets that a controller reconciles.
struct WatchScopeOptions: ParsableArguments {
    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "Watch these namespaces only, which requires Roles in them and no ClusterRole. May be repeated.",
            valueName: "namespace,..."))
    var watchNamespace: [String] = []

    @Option(
        help: ArgumentHelp(
            "Watch WrappedSecrets with these labels only, as in kubectl -l.", valueName: "selector"))
    var labelSelector: String?

    /// The watched namespaces, sorted and without duplicates. Empty if all namespaces are watched.
    var namespaces: [String] {
        Set(watchNamespace.flatMap { $0.split(separator: ",").map(String.init) }).sorted()
    }

    var selector: String? { labelSelector.flatMap { $0.isEmpty ? nil : $0 } }

    func validate() throws {
        for list in watchNamespace {
            for name in list.split(separator: ",", omittingEmptySubsequences: false)
            where !EnvelopeValidation.isDNSLabel(name) {
                throw ValidationError(
                    "--watch-namespace: \"\(name)\" is not a valid namespace name; leave out the flag to watch all namespaces"
                )
            }
        }
        if let selector, let problem = LabelSelector.validationError(selector) {
            throw ValidationError("--label-selector: \(problem)")
        }
    }
}

/// `--deny-template-metadata`: prefixes of keys, separated by commas. An empty list denies nothing.
struct MetadataKeyPrefixes: ExpressibleByArgument {
    let prefixes: [String]

    init(prefixes: [String]) { self.prefixes = prefixes }

    init?(argument: String) {
        prefixes = argument.split(separator: ",").map(String.init)
        // A prefix that no key can have would silently deny nothing.
        let isPlausible = prefixes.allSatisfy { prefix in
            prefix.utf8.allSatisfy { $0.isASCIILetterOrDigit || "-./_".utf8.contains($0) }
        }
        guard isPlausible else { return nil }
    }

    var defaultValueDescription: String { prefixes.joined(separator: ",") }
}

/// `--secret-labels`: valid labels that are not reserved, separated by commas.
struct LabelPairs: ExpressibleByArgument {
    let pairs: [String: String]

    init(pairs: [String: String]) { self.pairs = pairs }

    init?(argument: String) {
        var pairs: [String: String] = [:]
        for pair in argument.split(separator: ",") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, pairs.updateValue(String(parts[1]), forKey: String(parts[0])) == nil
            else {
                return nil
            }
        }
        guard (try? TemplateValidation.check(labels: pairs)) != nil else { return nil }
        self.pairs = pairs
    }

    var defaultValueDescription: String {
        pairs.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
    }
}

/// `--allow-secret-types`: types of `DefaultDenyList`, separated by commas.
enum AllowedSecretTypes {
    static func parse(_ list: String) throws -> Set<String> {
        let denied = DefaultDenyList.secretTypes.sorted().joined(separator: ", ")
        let types = list.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        for type in types where !DefaultDenyList.secretTypes.contains(type) {
            // Other types are allowed anyway; accepting them would suggest that this is the list of all allowed types.
            throw ValidationError(
                TemplateValidation.isForbidden(type: type)
                    ? "\(type) is never allowed: its Secrets are credentials for the cluster"
                    : "\(type.debugDescription) is not denied by default; the types that are: \(denied)")
        }
        return Set(types)
    }
}

/// The KMS requests that each namespace may cause.
struct UnwrapLimitOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The data keys per second that WrappedSecrets of one namespace may unwrap after --kms-namespace-burst. 0 means no limit.",
            valueName: "number"))
    var kmsNamespaceRate = UnwrapRateLimit().rate

    @Option(
        help: ArgumentHelp(
            "The data keys that WrappedSecrets of one namespace may unwrap at once.", valueName: "number"))
    var kmsNamespaceBurst = UnwrapRateLimit().burst

    /// Nil if there is no limit.
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
                "--kms-namespace-rate is \(kmsNamespaceRate); give 1 to 1000000 per second, or 0 for no limit"
            )
        }
        guard (1...1_000_000).contains(kmsNamespaceBurst) else {
            throw ValidationError(
                "--kms-namespace-burst is \(kmsNamespaceBurst); give 1 to 1000000")
        }
    }
}
