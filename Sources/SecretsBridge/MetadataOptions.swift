import ArgumentParser
import Resources

/// `--deny-template-metadata`: how keys begin, separated by commas; empty: nothing is denied.
struct MetadataKeyPrefixes: ExpressibleByArgument {
    let prefixes: [String]

    init(prefixes: [String]) { self.prefixes = prefixes }

    init?(argument: String) {
        prefixes = argument.split(separator: ",").map(String.init)
        // What cannot begin a key would deny nothing, and nobody would notice.
        let isPlausible = prefixes.allSatisfy { prefix in
            prefix.utf8.allSatisfy { byte in
                (UInt8(ascii: "-")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "_")
                    || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
            }
        }
        guard isPlausible else { return nil }
    }

    var defaultValueDescription: String { prefixes.joined(separator: ",") }
}

/// `--secret-labels`: valid labels that are nobody else's, separated by commas.
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

/// `--allow-secret-types`: types out of `DefaultDenials`, separated by commas.
enum AllowedSecretTypes {
    static func parse(_ list: String) throws -> Set<String> {
        let denied = DefaultDenyList.secretTypes.sorted().joined(separator: ", ")
        let types = list.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        for type in types where !DefaultDenyList.secretTypes.contains(type) {
            // The list is no allow-list of all types; a type that changes nothing here would look like one.
            throw ValidationError(
                TemplateValidation.isForbidden(type: type)
                    ? "\(type) is never allowed: its Secrets are credentials for the cluster"
                    : "\(type.debugDescription) is not a type that is denied by default; \(denied) is")
        }
        return Set(types)
    }
}
