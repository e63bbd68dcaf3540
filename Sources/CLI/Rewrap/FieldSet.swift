import JSON

/// The fields of an object that one manager owns, as `managedFields` lists them (FieldsV1): a tree whose steps are
/// `f:<name>` for a field, `k:<keys>` and `v:<value>` for an item of a list, and `.` for the container itself.
struct FieldSet: JSONReadable, Sendable {
    private(set) var members: [(step: String, fields: FieldSet)] = []

    /// No kind of ours nests as deep; what nests deeper is refused.
    private static let maximumDepth = 16

    init(json: inout JSONReader) throws(JSONError) {
        try self.init(&json, depth: 0)
    }

    private init(_ json: inout JSONReader, depth: Int) throws(JSONError) {
        guard depth < Self.maximumDepth else { throw json.error(.outOfRange) }
        try json.readObject { key, json throws(JSONError) in
            let step = try key.text()
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
