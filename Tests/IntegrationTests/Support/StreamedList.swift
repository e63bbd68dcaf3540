import Foundation
import HTTP
import HTTPTypes

/// What a server that streams lists sends, made of a list and a watch by one that does not.
enum StreamedList {
    private struct Malformed: Error {}

    /// The watch to go on with, and what comes before its events: an event for each object, and the bookmark that ends
    /// the list.
    static func begin(
        _ request: HTTPClientRequest, through transport: CurlClient
    ) async throws -> (HTTPClientRequest, [UInt8]) {
        var parts = URLComponents(string: request.url)
        let all = parts?.queryItems ?? []
        parts?.queryItems = all.filter { $0.name == "labelSelector" }
        var list = request
        list.url = parts?.string ?? request.url
        list.mode = .unary
        list.timeout = .seconds(30)
        list.idleTimeout = nil
        list.fields[.accept] = request.fields[.accept]?.replacingOccurrences(
            of: "as=PartialObjectMetadata;", with: "as=PartialObjectMetadataList;")
        let (_, body) = try await transport.send(list, upTo: 64 << 20)
        guard let object = try JSONSerialization.jsonObject(with: Data(body)) as? [String: Any],
            let version = (object["metadata"] as? [String: Any])?["resourceVersion"] as? String
        else { throw Malformed() }
        var lines = Data()
        func add(_ type: String, _ object: Any) throws {
            lines += try JSONSerialization.data(
                withJSONObject: ["type": type, "object": object], options: .sortedKeys)
            lines.append(0x0A)
        }
        for item in object["items"] as? [Any] ?? [] { try add("ADDED", item) }
        let metadata: [String: Any] = [
            "resourceVersion": version, "annotations": ["k8s.io/initial-events-end": "true"],
        ]
        try add("BOOKMARK", ["metadata": metadata])
        parts?.queryItems =
            all.filter { $0.name != "sendInitialEvents" && $0.name != "resourceVersionMatch" }
            + [URLQueryItem(name: "resourceVersion", value: version)]
        var watch = request
        watch.url = parts?.string ?? request.url
        return (watch, Array(lines))
    }
}
