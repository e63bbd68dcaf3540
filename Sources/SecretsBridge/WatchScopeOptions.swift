import ArgumentParser
import KubeClient

/// What an instance looks after.
struct WatchScopeOptions: ParsableArguments {
    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "Look after these namespaces only. May be repeated. Roles in them are then enough.",
            valueName: "namespace,..."))
    var watchNamespace: [String] = []

    @Option(
        help: ArgumentHelp(
            "Look after WrappedSecrets with these labels only, as in kubectl -l.", valueName: "selector"))
    var labelSelector: String?

    /// Every one once, in order.
    var namespaces: [String] {
        Set(watchNamespace.flatMap { $0.split(separator: ",").map(String.init) }).sorted()
    }

    var selector: String? { labelSelector.flatMap { $0.isEmpty ? nil : $0 } }

    func validate() throws {
        for list in watchNamespace {
            for name in list.split(separator: ",", omittingEmptySubsequences: false) where !isDNSLabel(name) {
                throw ValidationError(
                    "--watch-namespace: \"\(name)\" is not a namespace's name; without the flag, all are looked after"
                )
            }
        }
        if let selector, let problem = LabelSelector.validationError(selector) {
            throw ValidationError("--label-selector: \(problem)")
        }
    }
}

/// RFC 1123, "label".
func isDNSLabel(_ name: some StringProtocol) -> Bool {
    (1...63).contains(name.utf8.count)
        && name.utf8.allSatisfy {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "-")
        }
        && name.first != "-" && name.last != "-"
}
