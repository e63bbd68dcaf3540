package import YAML

/// One thing in which a Secret of a cluster is not what its WrappedSecret in a file would make it.
struct LiveChange: Sendable, Equatable {
    enum Operation: String {
        case added = "+"
        case removed = "-"
        case changed = "~"
        /// The controller does not write the Secret.
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

    /// As it is shown: names, and no values of entries, labels and annotations.
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
        func add(_ what: String, name: String? = nil, from: JSONValue? = nil, to: JSONValue? = nil) {
            fields.append(("what", .string(what)))
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

/// All in which one Secret differs.
package struct LiveDifference: Sendable {
    /// Of the WrappedSecret, `FILE:LINE:COLUMN`.
    let location: String
    let namespace: String
    /// Of the Secret.
    let name: String
    let changes: [LiveChange]
    /// Why a controller would not make these changes.
    let refusals: [String]

    private var subject: String { "\(location): Secret \(namespace)/\(name)" }

    package var lines: [String] { [subject] + changes.map { "  \($0.line)" } }

    /// One line for each reason why a controller would not make the changes.
    package var notes: [String] { refusals.map { "\(subject) stays as it is: \($0)" } }

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
