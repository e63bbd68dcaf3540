import JSON

/// The fields of an object that one manager owns, as in `managedFields` (FieldsV1): a tree whose steps are `f:<name>`
/// for a field, `k:<keys>` and `v:<value>` for an item of a list, and `.` for the container itself.
struct FieldSet: JSONReadable, Sendable {
    private(set) var members: [(step: String, fields: FieldSet)] = []

    /// A WrappedSecret does not nest as deep. A deeper set is refused.
    private static let maximumDepth = 16

    init(json: inout JSONReader) throws(JSONError) {
        try self.init(&json, depth: 0)
    }

    private init(_ json: inout JSONReader, depth: Int) throws(JSONError) {
        guard depth < Self.maximumDepth else { throw json.error(.outOfRange) }
        var known: Set<String> = []
        try json.readObject { key, json throws(JSONError) in
            let step = try key.text()
            // Each step reads its value again.
            guard known.insert(step).inserted else { throw json.error(.duplicateKey) }
            let fields = try FieldSet(&json, depth: depth + 1)
            if step != "." { members.append((step, fields)) }
        }
    }

    /// Returns nil if the set does not list the field at `path`.
    subscript(path: String...) -> FieldSet? {
        path.reduce(self as FieldSet?) { set, name in
            set?.members.first { $0.step == "f:\(name)" }?.fields
        }
    }
}
