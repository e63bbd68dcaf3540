import JSON
import KubeClient
import Resources
import System

/// What a manager applied to an object, restored from the object and from the fields that the manager owns, as
/// client-go's `Extract` functions do it: the body of a server-side apply that changes one field and gives up none.
struct AppliedConfiguration {
    /// A field that the API server lists and the object lacks, or a list that is not understood. An apply without it
    /// would remove the field.
    struct ExtractionError: Error, Equatable {
        let path: String
    }

    /// Fields of a WrappedSecret that have one owner as a whole; of other containers, a manager owns members.
    private static let atomic: Set<String> = ["spec.recipients", "spec.data", "spec.keyRef"]

    /// By the path of the field: the JSON that takes the place of what the object has.
    let replacements: [String: [UInt8]]

    /// Writes `fields` of `object`, which are members of the JSON object that is open in `json`.
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
            // The value is JSON itself, as the list has it.
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
        // Items without members are owned as a whole.
        guard !fields.members.isEmpty else {
            json.encoded(item)
            return
        }
        json.beginObject()
        try write(fields, of: item, at: path, to: &json)
        json.endObject()
    }
}

/// The outermost level of a JSON value; what is below stays bytes.
private enum JSONLevel {
    case object([String: [UInt8]])
    case array([[UInt8]])
    case scalar

    /// `bytes` begin with the value.
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

/// A value that is passed on as it came.
struct RawJSON: JSONReadable, Sendable {
    let bytes: [UInt8]

    init(json: inout JSONReader) throws(JSONError) { bytes = Array(try json.readRawValue()) }
}
