package import JSON

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
package struct ListPage<Object: KubeObject>: Sendable {
    package struct Metadata: Sendable {
        package var resourceVersion: String?
        package var `continue`: String?
        package var remainingItemCount: Int64?
    }

    package let metadata: Metadata
    package let items: [Decoded<Object>]
    /// Of items that have no name that can be read.
    package let unreadableItems: [String]
    /// That the page had on the wire, uncompressed.
    package internal(set) var byteCount = 0

    package var continueToken: String? {
        metadata.continue.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// How many objects the pages after this one have; nil: the server does not say, as where a selector is given.
    package var remaining: Int? {
        guard continueToken != nil else { return 0 }
        return metadata.remainingItemCount.flatMap { $0 < 0 ? nil : Int(exactly: $0) }
    }
}

extension ListPage: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        var metadata: Metadata?
        var items: [Decoded<Object>] = []
        var problems: [String] = []
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "metadata": metadata = try json.read()
            case "items":
                (items, problems) = ([], [])
                // An empty list of metadata is `null` on the wire.
                if try json.consumeNull() { return }
                try json.readArray { json throws(JSONError) in
                    let start = json.position
                    do throws(JSONError) {
                        items.append(try json.read())
                    } catch  where !error.isSyntax {
                        problems.append(error.description)
                        json.rewind(to: start)
                        try json.skipValue()
                    }
                }
            default: break
            }
        }
        self.metadata = try json.require(metadata, "metadata")
        self.items = items
        self.unreadableItems = problems
    }
}

extension ListPage.Metadata: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        self.init()
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "resourceVersion": resourceVersion = try json.readOptional()
            case "continue": `continue` = try json.readOptional()
            case "remainingItemCount": remainingItemCount = try json.readIfValid()
            default: break
            }
        }
    }
}
