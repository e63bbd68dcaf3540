/// Reads a list page by page. A page that has too many bytes is asked for again with half as many objects, and pages
/// grow again when objects are smaller: no number of large objects stops a list, or takes more memory than a page.
package struct ListPager<Object: KubeObject>: Sendable {
    private let client: KubeClient
    private let selection: Selection
    private var size: PageSize
    /// nil: there is no page after the last one.
    private var next: Position?

    private enum Position: Sendable {
        case first
        case after(String)
    }

    /// - Parameters:
    ///   - size: how many objects a page has at most.
    ///   - pageBytes: a page is in memory at once, beside the objects that are made of it.
    package init(
        _ client: KubeClient, _ selection: Selection, size: Int = 500, pageBytes: Int = 32 << 20
    ) {
        self.client = client
        self.selection = selection
        self.size = PageSize(size, bytes: pageBytes)
        next = .first
    }

    /// The page after the one that was read last; nil after the last one.
    package mutating func nextPage() async throws(KubeError) -> ListPage<Object>? {
        guard let next else { return nil }
        var token: String?
        if case .after(let after) = next { token = after }
        let page = try await page(after: token)
        self.next = page.continueToken.map { .after($0) }
        return page
    }

    /// The page that `token` stands for; nil: the first one.
    mutating func page(after token: String?) async throws(KubeError) -> ListPage<Object> {
        while true {
            do {
                let page = try await client.list(
                    Object.self, selection, limit: size.count, continueToken: token,
                    maximumBytes: size.maximumBytes)
                size.adapt(bytes: page.byteCount)
                return page
            } catch  where error.code == .responseTooLarge && size.count > 1 {
                size.halve()
            }
        }
    }
}

/// How many objects a page is asked to have.
struct PageSize: Sendable, Equatable {
    private let maximum: Int
    private let bytes: Int
    private(set) var count: Int

    init(_ maximum: Int, bytes: Int) {
        self.maximum = max(maximum, 1)
        self.bytes = bytes
        count = self.maximum
    }

    /// One object alone may have more than a page: there is no smaller one to ask for.
    var maximumBytes: Int { count == 1 ? KubeClient.maximumObjectSize : bytes }

    mutating func halve() { count = max(count / 2, 1) }

    /// Grows while twice as much would fit, with a reserve, as the next objects may be larger.
    mutating func adapt(bytes: Int) {
        if count < maximum, bytes <= self.bytes / 4 { count = min(count * 2, maximum) }
    }
}
