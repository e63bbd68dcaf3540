package import JSON

/// One entry of `metadata.managedFields`, reduced to what a Secret's keeper asks of it: which keys this
/// manager set last, and when it last set anything (Kubernetes, "Server-Side Apply", FieldsV1).
package struct ManagedFieldsEntry: Sendable, Equatable {
    package let manager: String
    /// By the API server's clock.
    package let time: String?
    package let labels: Set<String>
    package let annotations: Set<String>
    /// Entries of a Secret's `data`.
    package let data: Set<String>
    /// A Secret's `immutable`.
    package let ownsImmutable: Bool

    package init(
        manager: String, time: String? = nil, labels: Set<String> = [], annotations: Set<String> = [],
        data: Set<String> = [], isOfImmutable: Bool = false
    ) {
        self.manager = manager
        self.time = time
        self.labels = labels
        self.annotations = annotations
        self.data = data
        self.ownsImmutable = isOfImmutable
    }
}

extension ManagedFieldsEntry: JSONReadable {
    /// A hint, and nothing to rely on: whatever has another shape is left out, and is no error.
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
            data: fields.data, isOfImmutable: fields.isOfImmutable)
    }

    /// The part of `fieldsV1` that is read: maps at most three deep. The rest may nest as it likes.
    private struct Fields {
        var labels: Set<String> = []
        var annotations: Set<String> = []
        var data: Set<String> = []
        var isOfImmutable = false

        mutating func read(_ json: inout JSONReader) throws(JSONError) {
            try json.readObject { key, json throws(JSONError) in
                switch key {
                case "f:metadata":
                    _ = try json.attempt { json throws(JSONError) in try readMetadata(&json) }
                case "f:data": data = try Self.keys(&json)
                case "f:immutable": isOfImmutable = true
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

        /// Keys of a map are "f:<key>"; "." stands for the map itself.
        private static func keys(_ json: inout JSONReader) throws(JSONError) -> Set<String> {
            let keys = try json.attempt { json throws(JSONError) in
                var keys: Set<String> = []
                try json.readObject { key, _ throws(JSONError) in
                    guard let text = try? key.text(), text.hasPrefix("f:") else { return }
                    keys.insert(String(text.dropFirst(2)))
                }
                return keys
            }
            return keys ?? []
        }
    }
}
