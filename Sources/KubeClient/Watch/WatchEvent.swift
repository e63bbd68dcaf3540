/// One line of a watch.
package enum WatchEvent<Object: KubeObject>: Sendable {
    case added(Decoded<Object>)
    case modified(Decoded<Object>)
    case deleted(Decoded<Object>)
    /// No change, only how far the server is. `initialEventsEnd` closes a streamed list.
    case bookmark(resourceVersion: String, initialEventsEnd: Bool)
    case error(Status)
}

extension WatchEvent: Decodable {
    private enum Keys: String, CodingKey { case type, object }

    /// `metadata` of a bookmark, whose object has nothing else.
    private struct Bookmark: Decodable {
        struct Metadata: Decodable {
            let resourceVersion: String
            let annotations: [String: String]?
        }
        let metadata: Metadata
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Keys.self)
        let type = try container.decode(String.self, forKey: .type)
        switch type {
        case "ADDED": self = .added(try container.decode(Decoded<Object>.self, forKey: .object))
        case "MODIFIED": self = .modified(try container.decode(Decoded<Object>.self, forKey: .object))
        case "DELETED": self = .deleted(try container.decode(Decoded<Object>.self, forKey: .object))
        case "BOOKMARK":
            let metadata = try container.decode(Bookmark.self, forKey: .object).metadata
            self = .bookmark(
                resourceVersion: metadata.resourceVersion,
                initialEventsEnd: metadata.annotations?["k8s.io/initial-events-end"] == "true")
        case "ERROR": self = .error(try container.decode(Status.self, forKey: .object))
        default:
            throw DecodingError.dataCorruptedError(
                forKey: .type, in: container, debugDescription: "unknown watch event")
        }
    }
}
