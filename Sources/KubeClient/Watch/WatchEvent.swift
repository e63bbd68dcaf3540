import HTTP
package import JSON

package enum WatchEvent<Object: KubeObject>: Sendable {
    case added(Decoded<Object>)
    case modified(Decoded<Object>)
    case deleted(Decoded<Object>)
    /// Reports the server's resource version without a change. `initialEventsEnd` marks the end of a streamed list.
    case bookmark(resourceVersion: String, initialEventsEnd: Bool)
    case error(Status)
    /// An event of a type that this version does not know.
    case unknown
}

extension WatchEvent: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        var type: String?
        var object: JSONReader.Position?
        var event: Self?
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "type": type = try json.read()
            case "object":
                object = json.position
                // The API server writes the type first. If another server does not, the object is read afterwards.
                if let type { event = try Self(type, &json) }
            default: break
            }
        }
        if event == nil, let type, let object {
            var again = json
            again.rewind(to: object)
            event = try Self(type, &again)
        }
        self = try json.require(event, type == nil ? "type" : "object")
    }

    private init(_ type: String, _ json: inout JSONReader) throws(JSONError) {
        switch type {
        case "ADDED": self = .added(try json.read())
        case "MODIFIED": self = .modified(try json.read())
        case "DELETED": self = .deleted(try json.read())
        case "BOOKMARK":
            let metadata = try json.read(Bookmark.self).metadata
            self = .bookmark(
                resourceVersion: try json.require(metadata.resourceVersion, "metadata.resourceVersion"),
                initialEventsEnd: metadata.annotations?["k8s.io/initial-events-end"] == "true")
        case "ERROR": self = .error(try json.readIfValid() ?? Status())
        default:
            try json.skipValue()
            self = .unknown
        }
    }
}

/// The object of a bookmark, which has only metadata, and no name.
private struct Bookmark: JSONReadable {
    var metadata = ObjectMeta(name: "")

    init(json: inout JSONReader) throws(JSONError) {
        try json.readObject { key, json throws(JSONError) in
            if case "metadata" = key { try metadata.salvage(&json, .withoutManagedFields) }
        }
    }
}

/// A decoded line of a watch. No line ends the watch, whatever bytes it has: an object that cannot be decoded becomes an
/// event with a malformed object if its name can be read, and otherwise a line that is skipped.
enum WatchLine<Object: KubeObject>: Sendable {
    case event(WatchEvent<Object>)
    /// `resourceVersion` is the version of the watch after the line, if it could be read.
    case unreadable(UnreadableEvent, resourceVersion: String?)

    init(_ line: LineFramer.Line) {
        switch line {
        case .complete(let bytes):
            do {
                let event = try JSONReader.read(WatchEvent<Object>.self, from: bytes)
                if case .unknown = event {
                    self = .unreadable(.unknownType, resourceVersion: nil)
                } else {
                    self = .event(event)
                }
            } catch {
                self.init(
                    salvaging: bytes, isWhole: !error.isSyntax,
                    problem: error.droppingFirstPathComponent.description,
                    otherwise: error.isSyntax ? .notJSON : .incomplete)
            }
        case .tooLong(let prefix, _):
            self.init(
                salvaging: prefix, isWhole: false,
                problem: "the object has more than \(prefix.count) bytes of JSON",
                otherwise: .tooLong)
        }
    }

    /// Identifies the object of the line. A truncated object must contain the namespace, which the API server writes after
    /// the name.
    private init(
        salvaging bytes: [UInt8], isWhole: Bool, problem: String, otherwise unreadable: UnreadableEvent
    ) {
        let found = SalvagedEvent<Object.ObjectStatus>(bytes)
        let metadata = found.object.metadata
        let isIdentified = !metadata.name.isEmpty && (isWhole || metadata.namespace != nil)
        let object = Decoded<Object>.malformed(metadata, status: found.object.status, problem: problem)
        switch found.type {
        case "ADDED"? where isIdentified: self = .event(.added(object))
        case "MODIFIED"? where isIdentified: self = .event(.modified(object))
        case "DELETED"? where isIdentified: self = .event(.deleted(object))
        default: self = .unreadable(unreadable, resourceVersion: metadata.resourceVersion)
        }
    }
}

/// The reason why a line of a watch or an item of a list cannot be attributed to an object.
package enum UnreadableEvent: String, Sendable, CaseIterable {
    case notJSON = "not_json"
    /// The line exceeds the limit, and its beginning does not identify the object.
    case tooLong = "too_long"
    /// JSON that lacks a required field of an event or an object.
    case incomplete
    case unknownType = "unknown_type"
}

private struct SalvagedEvent<Status: JSONReadable & Sendable> {
    var type: String?
    var object = SalvagedObject<Status>()

    init(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { bytes in
            var json = JSONReader(bytes)
            try? read(&json)
        }
    }

    private mutating func read(_ json: inout JSONReader) throws(JSONError) {
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "type": type = try json.readIfValid()
            case "object":
                _ = try json.attempt { json throws(JSONError) in try object.read(&json) }
            default: break
            }
        }
    }
}
