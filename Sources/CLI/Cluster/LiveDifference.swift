package import JSON
import KubeClient
import Resources

/// One change that would make a Secret of a cluster match its WrappedSecret in a file.
struct LiveChange: Sendable, Equatable {
    enum Operation: String {
        case added = "+"
        case removed = "-"
        case changed = "~"
        /// The controller does not create the Secret.
        case blocked = "!"
    }

    enum Subject: Equatable {
        case secret
        case entry(String)
        case label(String)
        case annotation(String)
        case type(from: String, to: String)
        case immutable(from: Bool, to: Bool)
    }

    let operation: Operation
    let subject: Subject

    init(_ operation: Operation, _ subject: Subject) {
        self.operation = operation
        self.subject = subject
    }

    /// The line to show, with names and without values of entries, labels and annotations.
    var line: String {
        let text =
            switch subject {
            case .secret where operation == .blocked:
                "Secret is missing; creationPolicy Merge does not create it"
            case .secret: "Secret"
            case .entry(let name): name
            case .label(let key): "label \(key)"
            case .annotation(let key): "annotation \(key)"
            case .type(let from, let to): "type: \(from) -> \(to)"
            case .immutable(let from, let to): "immutable: \(from) -> \(to)"
            }
        return "\(operation.rawValue) \(text)"
    }

    fileprivate var value: JSONValue {
        var fields: [(key: String, value: JSONValue)] = [("change", .string("\(operation)"))]
        func add(_ kind: String, name: String? = nil, from: JSONValue? = nil, to: JSONValue? = nil) {
            fields.append(("what", .string(kind)))
            if let name { fields.append(("name", .string(name))) }
            if let from { fields.append(("from", from)) }
            if let to { fields.append(("to", to)) }
        }
        switch subject {
        case .secret: add("secret")
        case .entry(let name): add("entry", name: name)
        case .label(let key): add("label", name: key)
        case .annotation(let key): add("annotation", name: key)
        case .type(let from, let to): add("type", from: .string(from), to: .string(to))
        case .immutable(let from, let to): add("immutable", from: .bool(from), to: .bool(to))
        }
        return .object(fields)
    }
}

/// All changes of one Secret.
package struct LiveDifference: Sendable {
    /// The location of the WrappedSecret: `FILE:LINE:COLUMN`.
    let location: String
    let namespace: String
    /// The name of the Secret.
    let name: String
    let changes: [LiveChange]
    /// The reasons why a controller would not make these changes.
    let refusals: [String]

    private var subject: String { "\(location): Secret \(namespace)/\(name)" }

    package var lines: [String] { [subject] + changes.map { "  \($0.line)" } }

    /// One line for each reason why a controller would not make the changes.
    package var notes: [String] { refusals.map { "\(subject) would not be changed: \($0)" } }

    package var value: JSONValue {
        [
            "place": .string(location), "namespace": .string(namespace), "secretName": .string(name),
            "changes": .array(changes.map(\.value)),
            "refusals": .array(refusals.map(JSONValue.string)),
        ]
    }
}

extension ValueDifference {
    var changes: [LiveChange] {
        added.map { LiveChange(.added, .entry($0)) } + removed.map { LiveChange(.removed, .entry($0)) }
            + changed.map { LiveChange(.changed, .entry($0)) }
    }
}

/// Finds the reasons why a controller would not change a Secret as a WrappedSecret of a file asks.
enum LiveRefusals {
    /// - Parameters:
    ///   - fileValue: `spec.suspend` of the file.
    ///   - live: The object in the cluster.
    static func suspension(inFile fileValue: Bool?, _ live: WrappedSecret?) -> String? {
        guard fileValue ?? live?.spec.suspend == true else { return nil }
        return "the WrappedSecret is suspended (spec.suspend); unset it to let the controller continue"
    }

    /// - Parameters:
    ///   - name: The name of the WrappedSecret.
    ///   - entries: The names of its entries.
    static func refusals(
        of secret: ObjectMeta, name: String, _ merger: MergeIdentity?, entries: Set<String>,
        _ live: WrappedSecret?
    ) -> [String] {
        guard let merger else {
            return ownership(of: secret, name: name, live).map { [$0] } ?? []
        }
        if let owner = OwnershipMetadata.owner(of: secret)?.name
            ?? OwnershipMetadata.wrappedSecretName(of: secret)
        {
            return [
                "Secret is owned by WrappedSecret \(owner); creationPolicy Merge requires a Secret that no WrappedSecret owns"
            ]
        }
        guard secret.annotations?[OwnershipMetadata.allowAnnotation] == "merge" else {
            return [
                "Secret does not allow merging; it needs the annotation \(OwnershipMetadata.allowAnnotation): merge"
            ]
        }
        return conflicts(in: secret, merger, entries)
    }

    private static func ownership(of secret: ObjectMeta, name: String, _ live: WrappedSecret?) -> String? {
        if let owner = OwnershipMetadata.owner(of: secret) {
            return owner.name == name ? nil : "Secret is owned by WrappedSecret \(owner.name)"
        }
        if let controller = OwnershipMetadata.controller(of: secret) {
            return "Secret is owned by \(controller.kind) \(controller.name)"
        }
        if let creator = OwnershipMetadata.wrappedSecretName(of: secret) {
            return creator == name ? nil : "Secret was created by WrappedSecret \(creator)"
        }
        // `kubectl replace` may have removed the ownership metadata from a Secret that the controller wrote.
        if let synced = live?.status?.secret, synced.uid == secret.uid,
            OwnershipMetadata.managesFields(secret)
        {
            return nil
        }
        guard secret.annotations?[OwnershipMetadata.allowAnnotation] != OwnershipMetadata.adoptValue else {
            return nil
        }
        return
            "Secret was not created by this WrappedSecret; the controller adopts it only with the annotation "
            + "\(OwnershipMetadata.allowAnnotation): \(OwnershipMetadata.adoptValue)"
    }

    /// Returns a line for each entry that another field manager has and that no earlier merge wrote.
    private static func conflicts(in secret: ObjectMeta, _ merger: MergeIdentity, _ desired: Set<String>)
        -> [String]
    {
        let fields = secret.managedFields ?? []
        let own = fields.filter { $0.manager == merger.fieldManager }.flatMap(\.data)
        let unowned = desired.subtracting(own).subtracting(merger.recordedEntries(in: secret) ?? [])
        return fields.filter { ![merger.fieldManager, KubeClient.fieldManager].contains($0.manager) }
            .flatMap { fields in
                unowned.intersection(fields.data).sorted().map {
                    "entry \($0) is managed by \(fields.manager); creationPolicy Merge does not overwrite it"
                }
            }
    }
}
