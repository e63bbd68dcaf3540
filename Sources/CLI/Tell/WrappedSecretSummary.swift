package import Envelope
package import KubeClient
package import Resources
package import YAML

/// What can be said of a WrappedSecret without a key: of one in a cluster what its controller says too.
package struct WrappedSecretSummary: Sendable {
    package let namespace: String
    package let name: String
    package let recipients: [Recipient]
    /// Nil for a row of a file, or one that no controller has looked at.
    package let ready: Condition?
    /// Which key served, and its version.
    package let keyID: String?
    package let keyVersion: String?
    /// Of one that does not have the shape of its kind.
    package let problem: String?
    /// Whether the controller leaves the Secret as it is.
    package let isSuspended: Bool
    private let secretName: String

    package init(_ object: WrappedSecret) {
        let recipients = object.spec.envelope.recipients
        self.init(
            object.metadata, object.status, recipients, secretName: object.secretName,
            isSuspended: object.spec.suspend == true,
            problem: recipients.isEmpty ? "spec.recipients is empty" : nil)
    }

    package init(_ item: Decoded<WrappedSecret>) {
        switch item {
        case .object(let object): self.init(object)
        case .malformed(let metadata, let status, let problem):
            self.init(metadata, status, [], secretName: metadata.name, problem: problem)
        }
    }

    private init(
        _ metadata: ObjectMeta, _ status: WrappedSecretStatus?, _ recipients: [Recipient], secretName: String,
        isSuspended: Bool = false, problem: String?
    ) {
        self.isSuspended = isSuspended
        self.secretName = secretName
        namespace = metadata.namespace ?? ""
        name = metadata.name
        self.recipients = recipients
        ready = status?.condition(.ready)
        keyID = status?.keyID
        keyVersion = status?.keyVersion
        self.problem = problem
    }

    /// Whether it lists the key, and the version if one is given; or may do so, where it is malformed.
    package func mayList(_ key: KeySelector, version: String?) -> Bool {
        problem != nil
            || recipients.contains {
                key.matches($0) && (version == nil || $0.keyVersion == nil || $0.keyVersion == version)
            }
    }

    /// Where it cannot be told which keys it needs: one line. Nil: it can.
    package var unknownKeysNote: String? {
        problem.map {
            "\(namespace.isEmpty ? "" : "\(namespace)/")\(name): which keys it needs cannot be told: \($0)"
        }
    }

    /// Where the Secret belongs to a SealedSecret: how it is handed over, in one line. Nil otherwise.
    package var handoverAdvice: String? {
        guard ready?.reason == Reason.ownedByAnother.rawValue,
            ready?.message.contains(SealedSecretDocument.kind) == true
        else { return nil }
        return "\(namespace)/\(name): its Secret belongs to a SealedSecret; hand it over: "
            + SealedSecretHandover.steps(namespace: namespace, name: secretName)
    }

    /// The key that served, or else the first that is listed.
    private var shownKey: String? { keyID ?? recipients.first?.keyID }

    private var shownReason: String {
        guard isSuspended else { return ready?.reason ?? "-" }
        return ready.map { "\($0.reason) (suspended)" } ?? "suspended"
    }

    private func cells(_ labels: ShortKeyNames?) -> [String] {
        let first = recipients.first
        let key = shownKey.map { labels?[$0] ?? $0 }
        return [
            namespace.isEmpty ? "-" : namespace, name, ready?.status ?? "-",
            problem == nil ? shownReason : "Malformed",
            key ?? "-",
            keyID == nil ? first?.keyVersion ?? "-" : keyVersion ?? "-",
        ]
    }

    /// READY, and the word that says why the row is not even that.
    private var colours: [Int: Colour] {
        let ready: Colour? =
            switch self.ready?.status {
            case "True": .green
            case "False": .red
            case "Unknown": .yellow
            default: nil
            }
        return [2: ready, 3: problem == nil ? nil : .red].compactMapValues(\.self)
    }

    /// `isWide`: with the keys' whole ids, all recipients and what the controller says.
    package static func table(_ rows: [WrappedSecretSummary], isWide: Bool) -> TextTable {
        let titles = ["NAMESPACE", "NAME", "READY", "REASON", "KEY", "VERSION"]
        var table = TextTable(titles + (isWide ? ["RECIPIENTS", "MESSAGE"] : []))
        let labels = isWide ? nil : ShortKeyNames(rows.compactMap(\.shownKey))
        for row in rows {
            let recipients = row.recipients.map(\.keyAndVersion).joined(separator: ", ")
            table.add(
                row.cells(labels)
                    + (isWide
                        ? [recipients.isEmpty ? "-" : recipients, row.problem ?? row.ready?.message ?? ""]
                        : []),
                colours: row.colours)
        }
        return table
    }

    package var value: JSONValue {
        var fields: [(key: String, value: JSONValue)] = [
            ("namespace", .string(namespace)), ("name", .string(name)),
            (
                "recipients",
                .array(
                    recipients.map { recipient in
                        var fields: [(key: String, value: JSONValue)] = [("keyID", .string(recipient.keyID))]
                        if let version = recipient.keyVersion {
                            fields.append(("keyVersion", .string(version)))
                        }
                        return .object(fields)
                    })
            ),
        ]
        if let ready {
            fields.append(("ready", .string(ready.status)))
            fields.append(("reason", .string(ready.reason)))
            fields.append(("message", .string(ready.message)))
        }
        fields.append(("suspended", .bool(isSuspended)))
        if let keyID { fields.append(("keyID", .string(keyID))) }
        if let keyVersion { fields.append(("keyVersion", .string(keyVersion))) }
        if let problem { fields.append(("problem", .string(problem))) }
        return .object(fields)
    }
}
