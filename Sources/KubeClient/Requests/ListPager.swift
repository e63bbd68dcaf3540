package import JSON

/// Reads a list page by page. Requests a page that has too many bytes again with half as many objects, and larger pages
/// again when objects are smaller: large objects, however many, neither stop a list nor take more memory than one page.
package struct ListPager<Object: KubeObject>: Sendable {
    private let client: KubeClient
    private let selection: Selection
    private var size: PageSize
    /// The next page, or nil after the last one.
    private var next: Position?
    /// The hash values of the continue tokens of this list so far. A page that has one of them again begins a circle.
    private var tokens: Set<Int> = []
    /// The number of pages without objects since the last one with some.
    private var emptyPages = 0
    private static var maximumEmptyPages: Int { 1000 }

    private enum Position: Sendable {
        case first
        case after(String)
    }

    /// - Parameters:
    ///   - size: the maximum number of objects in a page.
    ///   - maximumPageBytes: the maximum size of a page, which is in memory together with the objects decoded from it.
    package init(
        _ client: KubeClient, _ selection: Selection, size: Int = 500, maximumPageBytes: Int = 32 << 20
    ) {
        self.client = client
        self.selection = selection
        self.size = PageSize(size, byteLimit: maximumPageBytes)
        next = .first
    }

    /// Returns the next page, or nil after the last one.
    package mutating func nextPage() async throws(KubeError) -> ListPage<Object>? {
        guard let next else { return nil }
        var token: String?
        if case .after(let after) = next { token = after }
        let page = try await page(after: token)
        self.next = page.continueToken.map { .after($0) }
        return page
    }

    /// Reads the page that a continue token stands for, or the first page if `token` is nil.
    ///
    /// - Throws: `KubeError`, also if the list has no end.
    mutating func page(after token: String?) async throws(KubeError) -> ListPage<Object> {
        if token == nil { (tokens, emptyPages) = ([], 0) }
        while true {
            do throws(KubeError) {
                let page = try await client.list(
                    Object.self, selection, limit: size.count, continueToken: token,
                    maximumBytes: size.maximumBytes)
                try checkProgress(of: page)
                size.adapt(bytes: page.byteCount)
                return page
            } catch  where error.code == .responseTooLarge && size.count > 1 {
                size.halve()
            }
        }
    }

    private mutating func checkProgress(of page: ListPage<Object>) throws(KubeError) {
        guard let next = page.continueToken else { return }
        emptyPages = page.items.isEmpty ? emptyPages + 1 : 0
        let problem =
            if !tokens.insert(next.hashValue).inserted {
                "a page has the continue token of an earlier page"
            } else if emptyPages > Self.maximumEmptyPages {
                "more than \(Self.maximumEmptyPages) pages have no objects"
            } else {
                String?.none
            }
        guard let problem else { return }
        throw KubeError(
            .malformedResponse, activity: "listing \(Object.resource.plural)",
            message: "\(problem), so that the list has no end")
    }
}

/// The number of objects to request in a page.
struct PageSize: Sendable, Equatable {
    private let maximumCount: Int
    private let byteLimit: Int
    private(set) var count: Int

    init(_ maximumCount: Int, byteLimit: Int) {
        self.maximumCount = max(maximumCount, 1)
        self.byteLimit = byteLimit
        count = self.maximumCount
    }

    /// The limit of a page in bytes. A page of one object has its own limit, because no smaller page can be requested.
    var maximumBytes: Int { count == 1 ? KubeClient.maximumObjectSize : byteLimit }

    mutating func halve() { count = max(count / 2, 1) }

    /// Doubles the count if the last page took at most a quarter of the limit, because the next objects may be larger.
    mutating func adapt(bytes: Int) {
        if count < maximumCount, bytes <= byteLimit / 4 { count = min(count * 2, maximumCount) }
    }
}

/// The objects that a list or a watch selects.
package struct Selection: Sendable, Equatable {
    /// A namespace, or nil for all namespaces.
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
    /// The decoding errors of items that are not in `items`, because not even their name can be read.
    package let unreadableItems: [String]
    /// The uncompressed size of the page.
    package internal(set) var byteCount = 0

    package var continueToken: String? {
        metadata.continue.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// The number of objects in the following pages, or nil if the server does not report it, as with a selector.
    package var remaining: Int? {
        guard continueToken != nil else { return 0 }
        return metadata.remainingItemCount.flatMap { $0 < 0 ? nil : Int(exactly: $0) }
    }
}

extension ListPage: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        var metadata: Metadata?
        var items: [Decoded<Object>] = []
        var unreadableItems: [String] = []
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "metadata": metadata = try json.read()
            case "items":
                (items, unreadableItems) = ([], [])
                json.shareStrings()
                // The API server writes the items of an empty PartialObjectMetadataList as null.
                if try json.consumeNull() { return }
                try json.readArray { json throws(JSONError) in
                    let start = json.position
                    do throws(JSONError) {
                        items.append(try json.read())
                    } catch  where !error.isSyntax {
                        unreadableItems.append(error.description)
                        json.rewind(to: start)
                        try json.skipValue()
                    }
                }
            default: break
            }
        }
        self.metadata = try json.require(metadata, "metadata")
        self.items = items
        self.unreadableItems = unreadableItems
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
