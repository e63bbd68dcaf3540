package import JSON

/// One item of a list or watch: the object, or, when it does not have the shape of its kind, its metadata, its last
/// status and the problem. One malformed object must not break the list it is in.
///
/// Indirect, so that a table of many has room for references alone.
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
    /// - Throws: the object has no name that can be read, or is not JSON.
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

/// What can be told of an object that is malformed, or cut off: filled in as far as reading comes.
struct SalvagedObject<Status: JSONReadable & Sendable>: Sendable {
    var metadata = ObjectMeta(name: "")
    var status: Status?

    /// - Throws: what comes after is not JSON. What came before has been filled in.
    mutating func read(_ json: inout JSONReader) throws(JSONError) {
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "metadata":
                _ = try json.attempt { json throws(JSONError) in
                    try metadata.read(&json, isLenient: true)
                }
            case "status": status = try json.readIfValid()
            default: break
            }
        }
    }
}
