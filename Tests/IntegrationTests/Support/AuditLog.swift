import Foundation

/// The audit log of the API server, with the requests of the service accounts in the controller's namespace; needs
/// `hack/cluster up --audit`.
struct AuditLog: Sendable {
    struct Request: Decodable, Sendable, CustomStringConvertible {
        struct Object: Decodable, Sendable {
            var resource: String
            var subresource: String?
            var namespace: String?
            var name: String?
        }

        var verb: String
        var objectRef: Object?

        var resource: String {
            [objectRef?.resource, objectRef?.subresource].compactMap(\.self).joined(separator: "/")
        }
        var isWrite: Bool { !["get", "list", "watch"].contains(verb) }
        var description: String { "\(verb) \(resource) \(objectRef?.name ?? "")" }
    }

    private let file: String
    private let namespace: String
    private let start: Int

    /// Reads the requests for objects in `namespace` from now on.
    init(_ namespace: TestNamespace) throws {
        file = "\(namespace.cluster.directory)/audit.log"
        self.namespace = namespace.name
        start = try Data(contentsOf: URL(filePath: file)).count
    }

    func requests() throws -> [Request] {
        try Data(contentsOf: URL(filePath: file)).dropFirst(start).split(separator: UInt8(ascii: "\n"))
            .map { try JSONDecoder().decode(Request.self, from: $0) }
            .filter { $0.objectRef?.namespace == namespace }
    }
}
