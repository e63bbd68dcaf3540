import HTTP
import JSON

/// What a line of a watch says. No line, whatever its bytes, ends the watch: an object that cannot be read is an event
/// with a malformed object, as long as its name can be told, and otherwise a line that is skipped.
enum WatchLine<Object: KubeObject>: Sendable {
    case event(WatchEvent<Object>)
    /// `resourceVersion`: the version that the watch has come to, where it could be read.
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

    /// Finds out which object it is about. Of an object that is cut off, the namespace must have been reached: the API
    /// server writes it after the name.
    private init(
        salvaging bytes: [UInt8], isWhole: Bool, problem: String, otherwise unreadable: UnreadableEvent
    ) {
        let found = SalvagedEvent<Object.ObjectStatus>(bytes)
        let metadata = found.object.metadata
        let isKnown = !metadata.name.isEmpty && (isWhole || metadata.namespace != nil)
        let object = Decoded<Object>.malformed(metadata, status: found.object.status, problem: problem)
        switch found.type {
        case "ADDED"? where isKnown: self = .event(.added(object))
        case "MODIFIED"? where isKnown: self = .event(.modified(object))
        case "DELETED"? where isKnown: self = .event(.deleted(object))
        default: self = .unreadable(unreadable, resourceVersion: metadata.resourceVersion)
        }
    }
}

/// Why a line of a watch, or an item of a list, could not be given to anyone.
package enum UnreadableEvent: String, Sendable, CaseIterable {
    case notJSON = "not_json"
    /// Longer than a line may be, and its beginning does not say which object it is about.
    case tooLong = "too_long"
    /// JSON, without what an event or an object has to have.
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
