import JSON
import KubeClient
import Resources
import System

/// Reconstructs what a field manager applied to an object, as client-go's `Extract` functions do. A server-side apply
/// of the result can change one field without giving up another.
struct AppliedConfiguration {
    /// A field that `managedFields` lists and the object lacks, an unsupported list, or a value that is not UTF-8. An apply
    /// without it would remove the field.
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
        case .scalar: try copy(value, path, to: &json)
        case _ where fields.members.isEmpty && Self.atomic.contains(path): try copy(value, path, to: &json)
        case .object:
            json.beginObject()
            try write(fields, of: value, at: path, to: &json)
            json.endObject()
        case .array(let items):
            json.beginArray()
            var items = ListItems(items)
            for (step, fields) in fields.members {
                try writeItem(step, fields, &items, path, to: &json)
            }
            json.endArray()
        }
    }

    private func writeItem(
        _ step: String, _ fields: FieldSet, _ items: inout ListItems, _ path: String,
        to json: inout JSONSecretWriter
    ) throws(ExtractionError) {
        let path = "\(path)[\(step)]"
        if let value = step.dropping(prefix: "v:") {
            // The step contains the value as JSON.
            let bytes = Array(value.utf8)
            guard items.contains(bytes) else { throw ExtractionError(path: path) }
            json.encoded(bytes)
            return
        }
        guard let text = step.dropping(prefix: "k:"),
            let keys = try? JSONLevel(Array(text.utf8), path).members(path), !keys.isEmpty,
            let item = items.first(with: keys)
        else { throw ExtractionError(path: path) }
        // An item without members has one owner as a whole.
        guard !fields.members.isEmpty else {
            try copy(item, path, to: &json)
            return
        }
        json.beginObject()
        try write(fields, of: item, at: path, to: &json)
        json.endObject()
    }

    /// Writes a value as the server has returned it.
    private func copy(
        _ value: [UInt8], _ path: String, to json: inout JSONSecretWriter
    ) throws(ExtractionError) {
        guard value.withUnsafeBytes({ $0.isValidUTF8 }) else { throw ExtractionError(path: path) }
        json.encoded(value)
    }
}

/// The items of a list, which are found by their JSON or by some of their members. A list may have thousands of items, and the
/// set of fields a step for each.
private struct ListItems {
    private let items: [[UInt8]]
    private var values: Set<[UInt8]>?
    /// The members of the items that are objects.
    private var members: [(index: Int, members: [String: [UInt8]])]?
    /// The index of the first item by the values of these keys.
    private var indices: [[String]: [[[UInt8]]: Int]] = [:]

    /// The steps of a list have the keys that the API defines for it: one combination.
    private static let maximumIndices = 4

    init(_ items: [[UInt8]]) { self.items = items }

    mutating func contains(_ value: [UInt8]) -> Bool {
        let known = values ?? Set(items)
        values = known
        return known.contains(value)
    }

    /// Returns the first item with these members, or nil if there is none, or if there are too many combinations of keys.
    mutating func first(with keys: [String: [UInt8]]) -> [UInt8]? {
        let names = keys.keys.sorted()
        if indices[names] == nil {
            guard indices.count < Self.maximumIndices else { return nil }
            indices[names] = index(by: names)
        }
        return indices[names]?[names.compactMap { keys[$0] }].map { items[$0] }
    }

    private mutating func index(by names: [String]) -> [[[UInt8]]: Int] {
        let objects =
            members
            ?? items.enumerated().compactMap { index, item in
                (try? JSONLevel(item, "").members("")).map { (index, $0) }
            }
        members = objects
        var index: [[[UInt8]]: Int] = [:]
        for object in objects {
            let values = names.compactMap { object.members[$0] }
            guard values.count == names.count, index[values] == nil else { continue }
            index[values] = object.index
        }
        return index
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
