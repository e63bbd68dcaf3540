package import Envelope
package import JSON
package import KubeClient
package import Resources

/// The state of a WrappedSecret that is visible without a key. In a cluster, that includes the controller's status.
package struct WrappedSecretSummary: Sendable {
    package let namespace: String
    package let name: String
    package let recipients: [Recipient]
    /// The Ready condition, or nil for a WrappedSecret from a file, or one that no controller has observed.
    package let ready: Condition?
    /// The key that unwrapped the data key, and its version.
    package let keyID: String?
    package let keyVersion: String?
    /// The reason why the object is malformed, or nil.
    package let problem: String?
    /// True if `spec.suspend` keeps the controller from changing the Secret.
    package let isSuspended: Bool
    /// The provider of `spec.keyRef`, or nil for the controller's own keys.
    package let provider: ProviderRef?
    private let secretName: String

    package init(_ object: WrappedSecret) {
        let recipients = object.spec.envelope.recipients
        self.init(
            object.metadata, object.status, recipients, secretName: object.secretName,
            isSuspended: object.spec.suspend == true,
            provider: object.spec.keyRef.map {
                ProviderRef($0, namespace: object.metadata.namespace ?? "")
            },
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
        isSuspended: Bool = false, provider: ProviderRef? = nil, problem: String?
    ) {
        self.provider = provider
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

    /// Returns true if the key, in this version if one is given, is or may be a recipient. It may be one if the object
    /// is malformed, or if the recipient has no version.
    package func mayList(_ key: KeySelector, version: String?) -> Bool {
        problem != nil
            || recipients.contains {
                key.matches($0) && (version == nil || $0.keyVersion == nil || $0.keyVersion == version)
            }
    }

    /// A line for a WrappedSecret whose keys cannot be determined.
    package var unknownKeysNote: String? {
        problem.map {
            "\(namespace.isEmpty ? "" : "\(namespace)/")\(name): cannot determine which keys it needs: \($0)"
        }
    }

    /// The steps to hand over a Secret that a SealedSecret owns, in one line, or nil if none owns it.
    package var handoverAdvice: String? {
        guard ready?.reason == Reason.ownedByAnother.rawValue,
            ready?.message.contains(SealedSecretDocument.kind) == true
        else { return nil }
        return "\(namespace)/\(name): its Secret is owned by a SealedSecret; hand it over: "
            + SealedSecretHandover.steps(namespace: namespace, name: secretName)
    }

    /// The key that unwrapped the data key, or else that of the first recipient.
    private var shownKey: String? { keyID ?? recipients.first?.keyID }

    private var shownReason: String {
        guard isSuspended else { return ready?.reason ?? "-" }
        return ready.map { "\($0.reason) (suspended)" } ?? "suspended"
    }

    private func cells(_ keyNames: ShortKeyNames?) -> [String] {
        let first = recipients.first
        let key = shownKey.map { keyNames?[$0] ?? $0 }
        return [
            namespace.isEmpty ? "-" : namespace, name, ready?.status ?? "-",
            problem == nil ? shownReason : "Malformed",
            key ?? "-",
            keyID == nil ? first?.keyVersion ?? "-" : keyVersion ?? "-",
        ]
    }

    /// Colours by column index: READY (2), and REASON (3) if the object is malformed.
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

    /// Returns the table that the `status` command prints.
    ///
    /// - Parameter isWide: Adds complete key ids, providers, all recipients and the controller's message.
    package static func table(_ summaries: [WrappedSecretSummary], isWide: Bool) -> TextTable {
        let titles = ["NAMESPACE", "NAME", "READY", "REASON", "KEY", "VERSION"]
        let hasProviders = isWide && summaries.contains { $0.provider != nil }
        var table = TextTable(
            titles + (hasProviders ? ["PROVIDER"] : []) + (isWide ? ["RECIPIENTS", "MESSAGE"] : []))
        let keyNames = isWide ? nil : ShortKeyNames(summaries.compactMap(\.shownKey))
        for summary in summaries {
            let recipients = summary.recipients.map(\.keyAndVersion).joined(separator: ", ")
            table.add(
                summary.cells(keyNames)
                    + (hasProviders ? [summary.provider.map { "\($0)" } ?? "-"] : [])
                    + (isWide
                        ? [
                            recipients.isEmpty ? "-" : recipients,
                            summary.problem ?? summary.ready?.message ?? "",
                        ]
                        : []),
                colours: summary.colours)
        }
        return table
    }

    package var value: JSONValue {
        var fields: [(key: String, value: JSONValue)] = [
            ("namespace", .string(namespace)), ("name", .string(name)),
            (
                "recipients",
                .array(
                    recipients.map {
                        .object(keyFields($0.keyID, version: $0.keyVersion, algorithm: $0.algorithm))
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
        if let provider {
            fields.append(
                ("keyRef", ["kind": .string(provider.kind), "name": .string(provider.object.name)]))
        }
        if let problem { fields.append(("problem", .string(problem))) }
        return .object(fields)
    }
}
