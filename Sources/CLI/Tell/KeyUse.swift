import Envelope
package import YAML

/// How many rows a version of a key wraps: whether it can be done without.
package struct KeyUse: Sendable, Equatable {
    package let keyID: String
    package let version: String?
    /// Rows that list it.
    package private(set) var rows = 0
    /// Of them, those that list nothing else: they are lost without it.
    package private(set) var onlyKey = 0

    /// In the order of ids and versions.
    package static func count(_ rows: [RowStatus]) -> [KeyUse] {
        var uses: [String: KeyUse] = [:]
        for row in rows {
            for recipient in row.recipients {
                var use = uses[recipient.keyAndVersion] ?? KeyUse(recipient)
                use.rows += 1
                if row.recipients.count == 1 { use.onlyKey += 1 }
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
        version = recipient.version
    }

    package static func table(_ uses: [KeyUse]) -> TextTable {
        var table = TextTable(["KEY", "VERSION", "ROWS", "ONLY KEY OF"])
        for use in uses { table.add([use.keyID, use.version ?? "-", "\(use.rows)", "\(use.onlyKey)"]) }
        return table
    }

    package var value: YAMLValue {
        var fields: [(key: String, value: YAMLValue)] = [("keyID", .string(keyID))]
        if let version { fields.append(("keyVersion", .string(version))) }
        return .mapping(fields + [("rows", .int(rows)), ("onlyKeyOf", .int(onlyKey))])
    }
}
