import Envelope
package import YAML

/// How many rows a version of a key wraps: whether it can be done without.
package struct KeyUsage: Sendable, Equatable {
    package let keyID: String
    package let version: String?
    /// Rows that list it.
    package private(set) var wrappedSecretCount = 0
    /// Of them, those that list nothing else: they are lost without it.
    package private(set) var onlyKeyCount = 0

    /// In the order of ids and versions.
    package static func count(_ rows: [WrappedSecretSummary]) -> [KeyUsage] {
        var uses: [String: KeyUsage] = [:]
        for row in rows {
            for recipient in row.recipients {
                var use = uses[recipient.keyAndVersion] ?? KeyUsage(recipient)
                use.wrappedSecretCount += 1
                if row.recipients.count == 1 { use.onlyKeyCount += 1 }
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
        var table = TextTable(["KEY", "VERSION", "ROWS", "ONLY KEY OF"])
        for use in uses {
            table.add([use.keyID, use.version ?? "-", "\(use.wrappedSecretCount)", "\(use.onlyKeyCount)"])
        }
        return table
    }

    package var value: JSONValue {
        var fields: [(key: String, value: JSONValue)] = [("keyID", .string(keyID))]
        if let version { fields.append(("keyVersion", .string(version))) }
        return .object(fields + [("rows", .int(wrappedSecretCount)), ("onlyKeyOf", .int(onlyKeyCount))])
    }
}
