package import JSON

/// One line of a watch.
package enum WatchEvent<Object: KubeObject>: Sendable {
    case added(Decoded<Object>)
    case modified(Decoded<Object>)
    case deleted(Decoded<Object>)
    /// No change, only how far the server is. `initialEventsEnd` closes a streamed list.
    case bookmark(resourceVersion: String, initialEventsEnd: Bool)
    case error(Status)
    /// Of a type that this version does not know.
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
                // The API server writes the type first. Where it does not, the object is read afterwards.
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

/// `metadata` of a bookmark, whose object has nothing else, and no name.
private struct Bookmark: JSONReadable {
    var metadata = ObjectMeta(name: "")

    init(json: inout JSONReader) throws(JSONError) {
        try json.readObject { key, json throws(JSONError) in
            if case "metadata" = key { try metadata.read(&json, isLenient: true) }
        }
    }
}
