package import JSON

/// An entry of `metadata.managedFields`, reduced to the fields that this product needs: the keys that the manager owns in
/// labels, annotations and a Secret's data, and the time of its last change (Kubernetes, "Server-Side Apply", FieldsV1).
package struct ManagedFieldsEntry: Sendable, Equatable {
    package let manager: String
    /// The time of the last change, by the API server's clock.
    package let time: String?
    package let labels: Set<String>
    package let annotations: Set<String>
    /// The keys of a Secret's `data`.
    package let data: Set<String>
    /// True if the manager owns a Secret's `immutable`.
    package let ownsImmutable: Bool

    package init(
        manager: String, time: String? = nil, labels: Set<String> = [], annotations: Set<String> = [],
        data: Set<String> = [], ownsImmutable: Bool = false
    ) {
        self.manager = manager
        self.time = time
        self.labels = labels
        self.annotations = annotations
        self.data = data
        self.ownsImmutable = ownsImmutable
    }
}

extension ManagedFieldsEntry: JSONReadable {
    /// A part of another shape is skipped and is not an error.
    package init(json: inout JSONReader) throws(JSONError) {
        var manager = ""
        var time: String?
        var fields = Fields()
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "manager": manager = try json.readIfValid() ?? ""
            case "time": time = try json.readIfValid()
            case "fieldsV1":
                fields = Fields()
                _ = try json.attempt { json throws(JSONError) in try fields.read(&json) }
            default: break
            }
        }
        self.init(
            manager: manager, time: time, labels: fields.labels, annotations: fields.annotations,
            data: fields.data, ownsImmutable: fields.ownsImmutable)
    }

    /// The parts of `fieldsV1` that are read, which nest at most three deep. The other parts may nest to any depth.
    private struct Fields {
        var labels: Set<String> = []
        var annotations: Set<String> = []
        var data: Set<String> = []
        var ownsImmutable = false

        mutating func read(_ json: inout JSONReader) throws(JSONError) {
            try json.readObject { key, json throws(JSONError) in
                switch key {
                case "f:metadata":
                    _ = try json.attempt { json throws(JSONError) in try readMetadata(&json) }
                case "f:data": data = try Self.keys(&json)
                case "f:immutable": ownsImmutable = true
                default: break
                }
            }
        }

        private mutating func readMetadata(_ json: inout JSONReader) throws(JSONError) {
            try json.readObject { key, json throws(JSONError) in
                switch key {
                case "f:labels": labels = try Self.keys(&json)
                case "f:annotations": annotations = try Self.keys(&json)
                default: break
                }
            }
        }

        /// Reads the keys of a map, which have the form "f:<key>". The entry "." represents the map itself.
        private static func keys(_ json: inout JSONReader) throws(JSONError) -> Set<String> {
            let keys = try json.attempt { json throws(JSONError) in
                var keys: Set<String> = []
                try json.readObject { key, json throws(JSONError) in
                    if let text = json.text(of: key, droppingPrefix: "f:") { keys.insert(text) }
                }
                return keys
            }
            return keys ?? []
        }
    }
}
