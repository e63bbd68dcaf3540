import HTTP
package import JSON

/// A kind of object and its path on the API server.
package struct Resource: Hashable, Sendable {
    /// The API group, which is empty for the core group.
    package let group: String
    package let version: String
    package let kind: String
    package let plural: String

    package init(group: String, version: String, kind: String, plural: String) {
        self.group = group
        self.version = version
        self.kind = kind
        self.plural = plural
    }

    package var apiVersion: String { group.isEmpty ? version : "\(group)/\(version)" }

    /// Returns the path of the collection, or of one object in it. A nil or empty namespace means all namespaces.
    func path(namespace: String?, name: String? = nil, subresource: String? = nil) -> String {
        var path = group.isEmpty ? "/api/\(version)" : "/apis/\(group)/\(version)"
        if let namespace, !namespace.isEmpty { path += "/namespaces/\(percentEncoded(namespace))" }
        path += "/\(plural)"
        if let name { path += "/\(percentEncoded(name))" }
        if let subresource { path += "/\(subresource)" }
        return path
    }

    package static let secrets = Resource(group: "", version: "v1", kind: "Secret", plural: "secrets")
}

/// An object that can be read from the API server.
package protocol KubeObject: JSONReadable, Sendable {
    /// The type of `status`, which is read even if the rest of the object is malformed.
    associatedtype ObjectStatus: JSONReadable & Sendable = NoStatus
    static var resource: Resource { get }
    /// True to request only `PartialObjectMetadata`, so that the rest never leaves the server.
    static var isMetadataOnly: Bool { get }
    var metadata: ObjectMeta { get }
}

/// The status of a kind that has none, or whose status is not needed.
package struct NoStatus: JSONReadable, Sendable {
    package init(json: inout JSONReader) throws(JSONError) { try json.skipValue() }
}

extension KubeObject {
    package static var isMetadataOnly: Bool { false }
}

/// The metadata of a Secret. Its data is never requested.
package struct SecretMetadata: KubeObject {
    package static var resource: Resource { .secrets }
    package static var isMetadataOnly: Bool { true }
    package let metadata: ObjectMeta

    package init(json: inout JSONReader) throws(JSONError) {
        metadata = try PartialObjectMetadata(json: &json).metadata
    }
}

/// The metadata of an object of any kind.
package struct PartialObjectMetadata: JSONReadable, Sendable {
    package let metadata: ObjectMeta

    package init(json: inout JSONReader) throws(JSONError) {
        try self.init(json: &json, .complete)
    }

    package init(json: inout JSONReader, _ extent: ObjectMeta.Extent) throws(JSONError) {
        var metadata: ObjectMeta?
        try json.readObject { key, json throws(JSONError) in
            if case "metadata" = key { metadata = try ObjectMeta(json: &json, extent) }
        }
        self.metadata = try json.require(metadata, "metadata")
    }
}

/// The identity of an object of any kind: the part of the response to a write that most callers need.
struct ObjectIdentity: JSONReadable, Sendable {
    let metadata: ObjectMeta

    init(json: inout JSONReader) throws(JSONError) {
        metadata = try PartialObjectMetadata(json: &json, .identity).metadata
    }
}
