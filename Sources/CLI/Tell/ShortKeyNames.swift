import Envelope

/// Short names of keys, for tables that people read. Keys that would get the same name keep their ids.
struct ShortKeyNames {
    private let labels: [String: String]

    /// Characters that a terminal has room for, beside the other columns.
    private static let maximumLength = 40

    init(_ keyIDs: some Sequence<String>) {
        let pairs = Set(keyIDs).map { (id: $0, label: Self.short($0)) }
        let byLabel = Dictionary(grouping: pairs, by: \.label)
        labels = Dictionary(
            pairs.map { ($0.id, byLabel[$0.label]?.count == 1 ? $0.label : $0.id) }, uniquingKeysWith: { $1 })
    }

    subscript(keyID: String) -> String { labels[keyID] ?? keyID }

    /// `local:0123456789ab`, `aws-kms:eu-west-1/1234abcd`; others as they are, unless they are long.
    private static func short(_ keyID: String) -> String {
        let fields = keyID.split(separator: ":", omittingEmptySubsequences: false)
        if fields.count == 2, fields[0] == "local" { return "local:\(fields[1].prefix(12))" }
        if fields.count == 6, fields[0] == "arn", fields[2] == "kms", fields[5].hasPrefix("key/") {
            let id = fields[5].dropFirst("key/".count)
            return "aws-kms:\(fields[3])/\(id.prefix(id.hasPrefix("mrk-") ? 12 : 8))"
        }
        guard keyID.count > maximumLength else { return keyID }
        return "\(keyID.prefix(14))...\(keyID.suffix(maximumLength - 17))"
    }
}
