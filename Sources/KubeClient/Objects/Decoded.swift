package import JSON

/// An item of a list or an object of a watch. If it does not match the schema of its kind, it is represented by its
/// metadata, its last status and the problem: one malformed object must not break the list that contains it.
///
/// Indirect, so that an array of many objects holds only references.
package indirect enum Decoded<Object: KubeObject>: Sendable {
    case object(Object)
    case malformed(ObjectMeta, status: Object.ObjectStatus?, problem: String)

    package var metadata: ObjectMeta {
        switch self {
        case .object(let object): object.metadata
        case .malformed(let metadata, _, _): metadata
        }
    }
}

extension Decoded: JSONReadable {
    /// - Throws: if the object's name cannot be read, or the text is not JSON.
    package init(json: inout JSONReader) throws(JSONError) {
        let start = json.position
        do {
            self = .object(try Object(json: &json))
        } catch {
            json.rewind(to: start)
            var salvaged = SalvagedObject<Object.ObjectStatus>()
            do throws(JSONError) {
                try salvaged.read(&json)
            } catch let later {
                throw error.isSyntax ? error : later
            }
            guard !salvaged.metadata.name.isEmpty else { throw error }
            self = .malformed(salvaged.metadata, status: salvaged.status, problem: error.description)
        }
    }
}

/// The readable parts of an object that is malformed or truncated.
struct SalvagedObject<Status: JSONReadable & Sendable>: Sendable {
    var metadata = ObjectMeta(name: "")
    var status: Status?

    /// - Throws: if the rest of the text is not JSON. The parts before it have been read.
    mutating func read(_ json: inout JSONReader) throws(JSONError) {
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "metadata":
                _ = try json.attempt { json throws(JSONError) in
                    try metadata.salvage(&json, .complete)
                }
            case "status": status = try json.readIfValid()
            default: break
            }
        }
    }
}
