package import JSON

extension ObjectMeta: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        self.init(name: "")
        try read(&json, isLenient: false)
        // The API server knows no object without a name.
        if name.isEmpty { throw json.error(.missing).prefixingPath(.key("name")) }
    }

    /// Fills in what `json` has.
    ///
    /// - Parameter isLenient: leave out fields that have another shape, and stay as far as the document goes: of an
    ///   object that cannot be read, it is still to be known which one it is.
    mutating func read(_ json: inout JSONReader, isLenient: Bool) throws(JSONError) {
        try json.readObject { key, json throws(JSONError) in
            guard isLenient else { return try read(key, &json) }
            _ = try json.attempt { json throws(JSONError) in try read(key, &json) }
        }
    }

    private mutating func read(_ key: JSONKey, _ json: inout JSONReader) throws(JSONError) {
        switch key {
        case "name": name = try json.read()
        case "namespace": namespace = try json.readOptional()
        case "uid": uid = try json.readOptional()
        case "resourceVersion": resourceVersion = try json.readOptional()
        case "generation": generation = try json.readOptional()
        case "creationTimestamp": creationTimestamp = try json.readOptional()
        case "deletionTimestamp": deletionTimestamp = try json.readOptional()
        case "labels": labels = try json.readOptional()
        case "annotations": annotations = try json.consumeNull() ? nil : try Self.annotations(&json)
        case "ownerReferences": ownerReferences = try json.readOptional()
        case "managedFields": managedFields = try Self.managedFields(&json)
        default: break
        }
    }

    /// Without the annotation in which kubectl keeps the object once more: of a Secret it has the values.
    private static func annotations(_ json: inout JSONReader) throws(JSONError) -> [String: String] {
        var annotations: [String: String] = [:]
        try json.readObject { key, json throws(JSONError) in
            if case "kubectl.kubernetes.io/last-applied-configuration" = key { return }
            annotations[try key.text()] = try json.read()
        }
        return annotations
    }

    /// Anyone who may change the object may write anything into them: what is odd is left out.
    private static func managedFields(_ json: inout JSONReader) throws(JSONError) -> [ManagedFieldsEntry]? {
        try json.attempt { json throws(JSONError) in
            var entries: [ManagedFieldsEntry] = []
            try json.readArray { json throws(JSONError) in
                if let entry = try json.readIfValid(ManagedFieldsEntry.self) { entries.append(entry) }
            }
            return entries
        }
    }
}

extension OwnerReference: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        var apiVersion, kind, name, uid: String?
        var controller, blockOwnerDeletion: Bool?
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "apiVersion": apiVersion = try json.read()
            case "kind": kind = try json.read()
            case "name": name = try json.read()
            case "uid": uid = try json.read()
            case "controller": controller = try json.readOptional()
            case "blockOwnerDeletion": blockOwnerDeletion = try json.readOptional()
            default: break
            }
        }
        self.init(
            apiVersion: try json.require(apiVersion, "apiVersion"), kind: try json.require(kind, "kind"),
            name: try json.require(name, "name"), uid: try json.require(uid, "uid"), controller: controller)
        self.blockOwnerDeletion = blockOwnerDeletion
    }
}
