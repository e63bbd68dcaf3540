import Envelope
package import JSON
import KubeClient
import Resources
import System

/// The change of one WrappedSecret between two commits, without values.
package struct ReviewedChange: Sendable {
    package enum Kind: String, Sendable { case added, removed, changed, moved }

    enum Values: String, Sendable {
        /// The MAC covers all values and is the same.
        case same
        /// The values were encrypted again. Without a key, it is not known which of them changed.
        case encryptedAgain
        /// The values were decrypted and compared.
        case compared
    }

    /// A field outside of the envelope.
    struct Field: Sendable, Equatable {
        let name: String
        let old: String?
        let new: String?
    }

    let kind: Kind
    let path: String
    let name: String
    /// The path and the name before a move.
    private(set) var oldPath: String?
    private(set) var oldName: String?
    private(set) var values = Values.same
    private(set) var addedEntries: [String] = []
    private(set) var removedEntries: [String] = []
    /// The entries whose values differ, or may differ if the values were not decrypted.
    private(set) var changedEntries: [String] = []
    private(set) var addedRecipients: [String] = []
    private(set) var removedRecipients: [String] = []
    private(set) var rewrappedRecipients: [String] = []
    private(set) var fields: [Field] = []

    /// Describes a WrappedSecret that only one of the commits has.
    init(_ kind: Kind, _ path: String, _ document: WrappedSecretDocument) {
        self.kind = kind
        self.path = path
        name = document.qualifiedName
        let envelope = document.object.spec.envelope
        guard kind == .added else { return }
        addedEntries = envelope.data.keys.sorted()
        addedRecipients = envelope.recipients.map(\.keyAndVersion)
        fields = ReviewedFields.differences(document.object.withDefaults, document.object)
    }

    init(
        _ kind: Kind, _ path: String, _ document: WrappedSecretDocument,
        from old: (path: String, document: WrappedSecretDocument)
    ) {
        self.kind = kind
        self.path = path
        name = document.qualifiedName
        if old.path != path { oldPath = old.path }
        if old.document.qualifiedName != name { oldName = old.document.qualifiedName }
        let (before, after) = (old.document.object.spec.envelope, document.object.spec.envelope)
        let (oldNames, newNames) = (Set(before.data.keys), Set(after.data.keys))
        addedEntries = newNames.subtracting(oldNames).sorted()
        removedEntries = oldNames.subtracting(newNames).sorted()
        if before.mac != after.mac || before.data != after.data {
            values = .encryptedAgain
            changedEntries = newNames.intersection(oldNames).sorted()
        }
        compareRecipients(before.recipients, after.recipients)
        fields = ReviewedFields.differences(old.document.object, document.object)
    }

    private mutating func compareRecipients(_ old: [Recipient], _ new: [Recipient]) {
        for recipient in new {
            guard let before = old.first(recipient.keyID) else {
                addedRecipients.append(recipient.keyAndVersion)
                continue
            }
            // New values have a new data key, which is wrapped again for every recipient.
            let isRewrapped =
                values == .same
                ? before.wrappedKey != recipient.wrappedKey : !before.hasSameKeyVersion(as: recipient)
            if isRewrapped || before.algorithm != recipient.algorithm {
                rewrappedRecipients.append(recipient.keyAndVersion)
            }
        }
        removedRecipients = old.filter { !new.contains($0.keyID) }.map(\.keyAndVersion)
    }

    mutating func setValues(_ difference: ValueDifference) {
        values = .compared
        addedEntries = difference.added
        removedEntries = difference.removed
        changedEntries = difference.changed
    }

    var isEmpty: Bool {
        values == .same && addedEntries.isEmpty && removedEntries.isEmpty && addedRecipients.isEmpty
            && removedRecipients.isEmpty && rewrappedRecipients.isEmpty && fields.isEmpty
    }

    package var value: JSONValue {
        func list(_ names: [String]) -> JSONValue { .array(names.map { .string($0) }) }
        var members: [(key: String, value: JSONValue)] = [
            ("change", .string(kind.rawValue)), ("file", .string(path)), ("name", .string(name)),
        ]
        if let oldPath { members.append(("oldFile", .string(oldPath))) }
        if let oldName { members.append(("oldName", .string(oldName))) }
        members += [
            ("values", .string(values.rawValue)), ("addedEntries", list(addedEntries)),
            ("removedEntries", list(removedEntries)), ("changedEntries", list(changedEntries)),
            ("addedRecipients", list(addedRecipients)), ("removedRecipients", list(removedRecipients)),
            ("rewrappedRecipients", list(rewrappedRecipients)),
            (
                "fields",
                .array(
                    fields.map { field in
                        .object(
                            [("name", field.name), ("old", field.old), ("new", field.new)].compactMap {
                                key, text in
                                text.map { (key: key, value: .string($0)) }
                            })
                    })
            ),
        ]
        return .object(members)
    }
}

/// Compares the fields outside of the envelope. Values of labels, annotations and templates are not shown, because a user
/// may have written a secret there.
enum ReviewedFields {
    static func differences(_ old: WrappedSecret, _ new: WrappedSecret) -> [ReviewedChange.Field] {
        let (before, after) = (shown(old), shown(new))
        var fields = zip(before, after).compactMap { old, new in
            old.text == new.text
                ? nil : ReviewedChange.Field(name: old.name, old: old.text, new: new.text)
        }
        for (old, new) in zip(maps(old), maps(new)) {
            for key in Set(old.pairs.keys).union(new.pairs.keys).sorted()
            where old.pairs[key] != new.pairs[key] {
                let change = old.pairs[key] == nil ? "added" : new.pairs[key] == nil ? "removed" : "changed"
                fields.append(
                    ReviewedChange.Field(name: "\(old.name) \(key)", old: nil, new: change))
            }
        }
        return fields
    }

    /// The fields with values that the API or the cluster defines.
    private static func shown(_ object: WrappedSecret) -> [(name: String, text: String?)] {
        let spec = object.spec
        return [
            ("scope", spec.envelope.scope), ("format", spec.envelope.format),
            ("name of the Secret", object.secretName), ("type", spec.template?.type ?? "Opaque"),
            ("immutable", spec.template?.immutable == true ? "true" : nil),
            ("keyRef", spec.keyRef.map { "\($0.kind)/\($0.name)" }),
            ("creationPolicy", spec.creationPolicy), ("recreate", spec.recreate == true ? "true" : nil),
            ("suspend", spec.suspend == true ? "true" : nil),
            (
                "rolloutRestart",
                spec.rolloutRestart.flatMap { list in
                    list.isEmpty ? nil : list.map { "\($0.kind)/\($0.name)" }.joined(separator: ", ")
                }
            ),
        ]
    }

    private static func maps(_ object: WrappedSecret) -> [(name: String, pairs: [String: String])] {
        [
            ("template", object.spec.template?.data ?? [:]),
            ("label of the Secret", object.spec.template?.metadata?.labels ?? [:]),
            ("annotation of the Secret", object.spec.template?.metadata?.annotations ?? [:]),
            ("label", object.metadata.labels ?? [:]), ("annotation", object.metadata.annotations ?? [:]),
        ]
    }
}

extension WrappedSecret {
    /// The object with the default of each field that a review shows.
    fileprivate var withDefaults: WrappedSecret {
        var object = self
        object.metadata.labels = nil
        object.metadata.annotations = nil
        object.spec = WrappedSecretSpec(envelope: spec.envelope)
        object.spec.envelope.format = Envelope.format
        object.spec.envelope.scope = Scope.strict.rawValue
        return object
    }
}
