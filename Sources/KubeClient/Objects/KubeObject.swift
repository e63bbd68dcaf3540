package import JSON

/// A kind of object and where the API server keeps it.
package struct Resource: Hashable, Sendable {
    /// Empty for the core group.
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

    /// The path of the collection, or of one object in it. A nil namespace means all namespaces.
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
    /// What `status` holds; read even from an object that is malformed otherwise.
    associatedtype ObjectStatus: JSONReadable & Sendable = NoStatus
    static var resource: Resource { get }
    /// Asks the server for `PartialObjectMetadata` only: the rest never leaves it.
    static var isMetadataOnly: Bool { get }
    var metadata: ObjectMeta { get }
}

/// The status of a kind that has none, or whose status we do not read.
package struct NoStatus: JSONReadable, Sendable {
    package init(json: inout JSONReader) throws(JSONError) { try json.skipValue() }
}

extension KubeObject {
    package static var isMetadataOnly: Bool { false }
}

/// The metadata of a Secret. Its data, in the clear, is never asked for.
package struct SecretMetadata: KubeObject {
    package static var resource: Resource { .secrets }
    package static var isMetadataOnly: Bool { true }
    package let metadata: ObjectMeta

    package init(metadata: ObjectMeta) {
        self.metadata = metadata
    }

    package init(json: inout JSONReader) throws(JSONError) {
        metadata = try PartialObjectMetadata(json: &json).metadata
    }
}

/// The metadata that a write returns, whatever the kind.
struct PartialObjectMetadata: JSONReadable {
    let metadata: ObjectMeta

    init(json: inout JSONReader) throws(JSONError) {
        var metadata: ObjectMeta?
        try json.readObject { key, json throws(JSONError) in
            if case "metadata" = key { metadata = try json.read() }
        }
        self.metadata = try json.require(metadata, "metadata")
    }
}

/// RFC 3986 unreserved characters stay; everything else is encoded.
func percentEncoded(_ text: String) -> String {
    var encoded = ""
    for byte in text.utf8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "_"), UInt8(ascii: "~"):
            encoded.unicodeScalars.append(Unicode.Scalar(byte))
        default:
            let digits = String(byte, radix: 16, uppercase: true)
            encoded += digits.count == 1 ? "%0\(digits)" : "%\(digits)"
        }
    }
    return encoded
}
