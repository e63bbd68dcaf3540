/// One entry of `metadata.managedFields`, reduced to what a Secret's keeper asks of it: which keys this
/// manager set (Kubernetes, "Server-Side Apply", FieldsV1).
package struct ManagedFields: Decodable, Sendable, Equatable {
    package let manager: String
    package let labels: Set<String>
    package let annotations: Set<String>

    package init(manager: String, labels: Set<String> = [], annotations: Set<String> = []) {
        self.manager = manager
        self.labels = labels
        self.annotations = annotations
    }

    private enum Keys: String, CodingKey { case manager, fieldsV1 }
    private enum Fields: String, CodingKey { case metadata = "f:metadata" }
    private enum Metadata: String, CodingKey { case labels = "f:labels", annotations = "f:annotations" }

    private struct AnyKey: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Keys.self)
        manager = try container.decodeIfPresent(String.self, forKey: .manager) ?? ""
        guard let fields = try? container.nestedContainer(keyedBy: Fields.self, forKey: .fieldsV1),
            let metadata = try? fields.nestedContainer(keyedBy: Metadata.self, forKey: .metadata)
        else {
            labels = []
            annotations = []
            return
        }
        func keys(_ field: Metadata) -> Set<String> {
            let map = try? metadata.nestedContainer(keyedBy: AnyKey.self, forKey: field)
            // Keys of a map are "f:<key>"; "." stands for the map itself.
            return Set(
                (map?.allKeys ?? []).compactMap {
                    $0.stringValue.hasPrefix("f:") ? String($0.stringValue.dropFirst(2)) : nil
                })
        }
        labels = keys(.labels)
        annotations = keys(.annotations)
    }
}
