/// One entry of `metadata.managedFields`, reduced to what a Secret's keeper asks of it: which keys this
/// manager set last, and when it last set anything (Kubernetes, "Server-Side Apply", FieldsV1).
package struct ManagedFields: Decodable, Sendable, Equatable {
    package let manager: String
    /// By the API server's clock.
    package let time: String?
    package let labels: Set<String>
    package let annotations: Set<String>
    /// Entries of a Secret's `data`.
    package let data: Set<String>
    /// A Secret's `immutable`.
    package let isOfImmutable: Bool

    package init(
        manager: String, time: String? = nil, labels: Set<String> = [], annotations: Set<String> = [],
        data: Set<String> = [], isOfImmutable: Bool = false
    ) {
        self.manager = manager
        self.time = time
        self.labels = labels
        self.annotations = annotations
        self.data = data
        self.isOfImmutable = isOfImmutable
    }

    private enum Keys: String, CodingKey { case manager, time, fieldsV1 }
    private enum Fields: String, CodingKey {
        case metadata = "f:metadata", data = "f:data", immutable = "f:immutable"
    }
    private enum Metadata: String, CodingKey { case labels = "f:labels", annotations = "f:annotations" }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Keys.self)
        manager = try container.decodeIfPresent(String.self, forKey: .manager) ?? ""
        time = try container.decodeIfPresent(String.self, forKey: .time)
        let fields = try? container.nestedContainer(keyedBy: Fields.self, forKey: .fieldsV1)
        let metadata = try? fields?.nestedContainer(keyedBy: Metadata.self, forKey: .metadata)
        labels = Self.keys(of: metadata, .labels)
        annotations = Self.keys(of: metadata, .annotations)
        data = Self.keys(of: fields, .data)
        isOfImmutable = fields?.contains(.immutable) == true
    }

    /// Keys of a map are "f:<key>"; "." stands for the map itself.
    private static func keys<Key>(of container: KeyedDecodingContainer<Key>?, _ field: Key) -> Set<String> {
        let map = try? container?.nestedContainer(keyedBy: AnyKey.self, forKey: field)
        return Set(
            (map?.allKeys ?? []).compactMap {
                $0.stringValue.hasPrefix("f:") ? String($0.stringValue.dropFirst(2)) : nil
            })
    }
}
