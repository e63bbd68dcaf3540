import KubeClient
import Resources
package import YAML

/// What `verify` found of one WrappedSecret, or of a path whose WrappedSecrets could not be checked.
struct VerifiedItem: Sendable {
    /// `FILE:LINE:COLUMN`; nil for a path.
    var location: String?
    var namespace: String?
    var name: String?
    /// One line, as on standard error; nil: none.
    var problem: String?
    var notes: [String] = []

    init(_ document: WrappedSecretDocument, problem: String?, notes: [String]) {
        location = document.location
        namespace = document.object.metadata.namespace
        name = document.object.metadata.name
        self.problem = problem
        self.notes = notes
    }

    init(problem: String) { self.problem = problem }

    fileprivate var value: JSONValue {
        var fields: [(key: String, value: JSONValue)] = []
        if let location { fields.append(("place", .string(location))) }
        if let namespace { fields.append(("namespace", .string(namespace))) }
        if let name { fields.append(("name", .string(name))) }
        fields.append(("ok", .bool(problem == nil)))
        if let problem { fields.append(("problem", .string(problem))) }
        fields.append(("notes", .array(notes.map { .string($0) })))
        return .object(fields)
    }
}

extension Verification.Report {
    /// The WrappedSecrets in the order of the files, then problems that are not of a single WrappedSecret.
    package var value: JSONValue {
        let known = Set(items.compactMap(\.problem))
        let others = problems.filter { !known.contains($0) }.map { VerifiedItem(problem: $0) }
        return .array((items + others).map(\.value))
    }
}
