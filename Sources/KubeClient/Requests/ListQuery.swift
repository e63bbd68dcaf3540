/// What a list or watch selects.
package struct Selection: Sendable, Equatable {
    /// nil: all namespaces.
    package var namespace: String?
    package var labelSelector: String?

    package init(namespace: String? = nil, labelSelector: String? = nil) {
        self.namespace = namespace
        self.labelSelector = labelSelector
    }

    var query: [(String, String)] {
        labelSelector.map { [("labelSelector", $0)] } ?? []
    }
}

/// One page of a list.
package struct ListPage<Object: KubeObject>: Decodable, Sendable {
    package struct Metadata: Decodable, Sendable {
        package var resourceVersion: String?
        package var `continue`: String?
        package var remainingItemCount: Int?
    }

    package let metadata: Metadata
    package let items: [Decoded<Object>]

    private enum Keys: String, CodingKey { case metadata, items }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Keys.self)
        metadata = try container.decode(Metadata.self, forKey: .metadata)
        // An empty list of metadata is `null` on the wire.
        items = try container.decodeIfPresent([Decoded<Object>].self, forKey: .items) ?? []
    }

    package var continueToken: String? {
        metadata.continue.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// How many objects the pages after this one have; nil: the server does not say, as where a selector is given.
    package var remaining: Int? { continueToken == nil ? 0 : metadata.remainingItemCount }
}
