import Envelope
package import JSON

/// Counts the WrappedSecrets that a version of a key wraps, which shows if the version is still needed.
package struct KeyUsage: Sendable, Equatable {
    package let keyID: String
    package let version: String?
    /// The number of WrappedSecrets with such a recipient.
    package private(set) var wrappedSecretCount = 0
    /// The number of those without another recipient. They are lost without the key.
    package private(set) var onlyKeyCount = 0
    /// The providers that WrappedSecrets with such a recipient refer to.
    package private(set) var providers: Set<String> = []

    /// Returns the usage of each key version, sorted by id and version.
    package static func count(_ summaries: [WrappedSecretSummary]) -> [KeyUsage] {
        var uses: [String: KeyUsage] = [:]
        for summary in summaries {
            for recipient in summary.recipients {
                var use = uses[recipient.keyAndVersion] ?? KeyUsage(recipient)
                use.wrappedSecretCount += 1
                if summary.recipients.count == 1 { use.onlyKeyCount += 1 }
                if let provider = summary.provider { use.providers.insert("\(provider)") }
                uses[recipient.keyAndVersion] = use
            }
        }
        return uses.values.sorted { left, right in
            if left.keyID != right.keyID { return left.keyID < right.keyID }
            return (left.version.flatMap { Int($0) } ?? 0) < (right.version.flatMap { Int($0) } ?? 0)
        }
    }

    private init(_ recipient: Recipient) {
        keyID = recipient.keyID
        version = recipient.keyVersion
    }

    package static func table(_ uses: [KeyUsage]) -> TextTable {
        let hasProviders = uses.contains { !$0.providers.isEmpty }
        var table = TextTable(
            ["KEY", "VERSION", "WRAPPEDSECRETS", "ONLY KEY OF"] + (hasProviders ? ["PROVIDERS"] : []))
        for use in uses {
            let providers = use.providers.isEmpty ? "-" : use.providers.sorted().joined(separator: ", ")
            table.add(
                [use.keyID, use.version ?? "-", "\(use.wrappedSecretCount)", "\(use.onlyKeyCount)"]
                    + (hasProviders ? [providers] : []))
        }
        return table
    }

    package var value: JSONValue {
        .object(
            keyFields(keyID, version: version)
                + [("rows", .int(wrappedSecretCount)), ("onlyKeyOf", .int(onlyKeyCount))]
                + (providers.isEmpty ? [] : [("providers", .array(providers.sorted().map { .string($0) }))]))
    }
}

/// Returns the JSON fields that identify a key and its version.
func keyFields(
    _ keyID: String, version: String?, algorithm: String? = nil
) -> [(key: String, value: JSONValue)] {
    [("keyID", .string(keyID))] + (version.map { [("keyVersion", .string($0))] } ?? [])
        + (algorithm.map { [("algorithm", .string($0))] } ?? [])
}

/// Abbreviated key ids for tables. Ids with equal abbreviations stay complete.
struct ShortKeyNames {
    private let names: [String: String]

    /// The number of characters that leaves room for the other columns of a terminal.
    private static let maximumLength = 40

    init(_ keyIDs: some Sequence<String>) {
        let pairs = Set(keyIDs).map { (id: $0, label: Self.short($0)) }
        let byLabel = Dictionary(grouping: pairs, by: \.label)
        names = Dictionary(
            pairs.map { ($0.id, byLabel[$0.label]?.count == 1 ? $0.label : $0.id) }, uniquingKeysWith: { $1 })
    }

    subscript(keyID: String) -> String { names[keyID] ?? keyID }

    /// Returns `local:0123456789ab`, `aws-kms:eu-west-1/1234abcd`, `gcp-kms:europe-west1/ring/key` or
    /// `azure-key-vault:vault/key/1234abcd`. Other ids are only shortened if they are long.
    private static func short(_ keyID: String) -> String {
        let fields = keyID.split(separator: ":", omittingEmptySubsequences: false)
        if fields.count == 2, fields[0] == "local" { return "local:\(fields[1].prefix(12))" }
        if fields.count == 6, fields[0] == "arn", fields[2] == "kms", fields[5].hasPrefix("key/") {
            let id = fields[5].dropFirst("key/".count)
            return "aws-kms:\(fields[3])/\(id.prefix(id.hasPrefix("mrk-") ? 12 : 8))"
        }
        let names = keyID.split(separator: "/", omittingEmptySubsequences: false)
        if keyID.hasPrefix("gcp-kms:projects/"), names.count == 8 {
            return "gcp-kms:\(names[3])/\(names[5])/\(names[7])"
        }
        if keyID.hasPrefix("azure-key-vault:https://"), names.count == 6 {
            return "azure-key-vault:\(names[2].prefix { $0 != "." })/\(names[4])/\(names[5].prefix(8))"
        }
        guard keyID.count > maximumLength else { return keyID }
        return "\(keyID.prefix(14))...\(keyID.suffix(maximumLength - 17))"
    }
}
