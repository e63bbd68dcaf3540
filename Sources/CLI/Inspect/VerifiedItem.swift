import JSON
import KubeClient
import Resources

/// The result of one WrappedSecret, or of a path whose WrappedSecrets could not be read.
struct VerifiedItem: Sendable {
    /// `FILE:LINE:COLUMN`, or nil for a path.
    var location: String?
    var namespace: String?
    var name: String?
    /// The problem as on standard error, if there is one.
    var problem: String?
    /// True if the problem is that the WrappedSecret cannot be decrypted.
    var isDecryptionFailure = false
    /// One line for each way in which it breaks the rule for its file.
    var ruleProblems: [String] = []
    var notes: [String] = []

    init(
        _ document: WrappedSecretDocument, problem: Verification.Problem?, ruleProblems: [String],
        notes: [String]
    ) {
        self.ruleProblems = ruleProblems
        location = document.location
        namespace = document.object.metadata.namespace
        name = document.object.metadata.name
        self.problem = problem?.text
        isDecryptionFailure = problem?.isDecryptionFailure == true
        self.notes = notes
    }

    init(problem: String) { self.problem = problem }

    var problems: [String] { (problem.map { [$0] } ?? []) + ruleProblems }

    var value: JSONValue {
        var fields: [(key: String, value: JSONValue)] = []
        if let location { fields.append(("place", .string(location))) }
        if let namespace { fields.append(("namespace", .string(namespace))) }
        if let name { fields.append(("name", .string(name))) }
        fields.append(("ok", .bool(problems.isEmpty)))
        if let problem = problems.first { fields.append(("problem", .string(problem))) }
        if !ruleProblems.isEmpty {
            fields.append(("ruleProblems", .array(ruleProblems.map { .string($0) })))
        }
        fields.append(("notes", .array(notes.map { .string($0) })))
        return .object(fields)
    }
}
