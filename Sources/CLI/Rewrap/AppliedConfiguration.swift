import JSON
import KubeClient
import Resources
import System

/// Reconstructs what a field manager applied to an object, as client-go's `Extract` functions do. A server-side apply
/// of the result can change one field without giving up another.
struct AppliedConfiguration {
    /// A field that `managedFields` lists and the object lacks, or an unsupported list. An apply without it would
    /// remove the field.
    struct ExtractionError: Error, Equatable {
        let path: String
    }

    /// The fields of a WrappedSecret that have one owner as a whole. In other containers, members have owners.
    private static let atomic: Set<String> = ["spec.recipients", "spec.data", "spec.keyRef"]

    /// JSON values that replace those of the object, by the path of the field.
    let replacements: [String: [UInt8]]

    /// Writes `fields` of `object` as members of the JSON object that `json` has begun.
    func write(
        _ fields: FieldSet, of object: [UInt8], at path: String = "", to json: inout JSONSecretWriter
    ) throws(ExtractionError) {
        let members = try JSONLevel(object, path).members(path)
        for (step, fields) in fields.members {
            guard let name = step.dropping(prefix: "f:"), let value = members[name] else {
                throw ExtractionError(path: "\(path).\(step)")
            }
            json.key(name)
            try writeValue(value, fields, path.isEmpty ? name : "\(path).\(name)", to: &json)
        }
    }

    private func writeValue(
        _ value: [UInt8], _ fields: FieldSet, _ path: String, to json: inout JSONSecretWriter
    ) throws(ExtractionError) {
        if let replacement = replacements[path] {
            json.encoded(replacement)
            return
        }
        switch try JSONLevel(value, path) {
        case .scalar: json.encoded(value)
        case _ where fields.members.isEmpty && Self.atomic.contains(path): json.encoded(value)
        case .object:
            json.beginObject()
            try write(fields, of: value, at: path, to: &json)
            json.endObject()
        case .array(let items):
            json.beginArray()
            for (step, fields) in fields.members {
                try writeItem(step, fields, items, path, to: &json)
            }
            json.endArray()
        }
    }

    private func writeItem(
        _ step: String, _ fields: FieldSet, _ items: [[UInt8]], _ path: String,
        to json: inout JSONSecretWriter
    ) throws(ExtractionError) {
        let path = "\(path)[\(step)]"
        if let value = step.dropping(prefix: "v:") {
            // The step contains the value as JSON.
            guard items.contains(where: { $0.elementsEqual(value.utf8) }) else {
                throw ExtractionError(path: path)
            }
            json.encoded(Array(value.utf8))
            return
        }
        guard let text = step.dropping(prefix: "k:"),
            let keys = try? JSONLevel(Array(text.utf8), path).members(path), !keys.isEmpty,
            let item = items.first(where: { item in
                guard let members = try? JSONLevel(item, path).members(path) else { return false }
                return keys.allSatisfy { members[$0.key] == $0.value }
            })
        else { throw ExtractionError(path: path) }
        // An item without members has one owner as a whole.
        guard !fields.members.isEmpty else {
            json.encoded(item)
            return
        }
        json.beginObject()
        try write(fields, of: item, at: path, to: &json)
        json.endObject()
    }
}

/// The outermost level of a JSON value. The levels below stay bytes.
private enum JSONLevel {
    case object([String: [UInt8]])
    case array([[UInt8]])
    case scalar

    /// - Parameter bytes: The value, without white space before it.
    init(_ bytes: [UInt8], _ path: String) throws(AppliedConfiguration.ExtractionError) {
        do throws(JSONError) {
            switch bytes.first {
            case UInt8(ascii: "{"): self = .object(try JSONReader.read(Members.self, from: bytes).raw)
            case UInt8(ascii: "["):
                self = .array(try JSONReader.read([RawJSON].self, from: bytes).map(\.bytes))
            default: self = .scalar
            }
        } catch {
            throw AppliedConfiguration.ExtractionError(path: path)
        }
    }

    private struct Members: JSONReadable {
        var raw: [String: [UInt8]] = [:]

        init(json: inout JSONReader) throws(JSONError) {
            try json.readObject { key, json throws(JSONError) in
                raw[try key.text()] = Array(try json.readRawValue())
            }
        }
    }

    func members(_ path: String) throws(AppliedConfiguration.ExtractionError) -> [String: [UInt8]] {
        guard case .object(let members) = self else { throw AppliedConfiguration.ExtractionError(path: path) }
        return members
    }
}

extension String {
    fileprivate func dropping(prefix: String) -> String? {
        hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
    }
}

/// A JSON value that is copied byte for byte.
struct RawJSON: JSONReadable, Sendable {
    let bytes: [UInt8]

    init(json: inout JSONReader) throws(JSONError) { bytes = Array(try json.readRawValue()) }
}

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
