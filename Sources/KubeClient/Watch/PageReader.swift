/// Reads a list page by page for a watcher, and requests the next page while the objects of one are taken, so that the server
/// and this process work at the same time.
struct PageReader<Object: KubeObject>: Sendable {
    private struct Answer: Sendable {
        let result: Result<ListPage<Object>, KubeError>
        /// The pager that knows the page size that fits, after this page.
        let pager: ListPager<Object>
    }

    private var pager: ListPager<Object>
    private let semaphore: WatchStartSemaphore
    private let maximumBytesAhead: Int
    /// The answer for the page after the last one.
    private var ahead: (token: String, answer: Answer)?

    /// - Parameters:
    ///   - pager: it remembers the page size that fits for as long as the watcher runs.
    ///   - maximumBytesAhead: the bytes of a page above which the next one is requested only after its objects were taken, so
    ///     that of large objects one page is in memory and not two.
    init(_ pager: ListPager<Object>, semaphore: WatchStartSemaphore, maximumBytesAhead: Int) {
        self.pager = pager
        self.semaphore = semaphore
        self.maximumBytesAhead = maximumBytesAhead
    }

    /// Reads a page and passes it to `take`.
    ///
    /// - Parameter token: the continue token of the page, or nil for the first page of a new list.
    /// - Returns: the metadata of the page, and the continue token of the next one.
    mutating func read(
        after token: String?, _ take: (ListPage<Object>) async -> Void
    ) async throws(KubeError) -> (metadata: ListPage<Object>.Metadata, next: String?) {
        let answer = await answer(after: token)
        pager = answer.pager
        let page = try answer.result.get()
        guard let next = page.continueToken, page.byteCount <= maximumBytesAhead else {
            await take(page)
            return (page.metadata, page.continueToken)
        }
        async let following = Self.request(next, answer.pager, semaphore)
        await take(page)
        ahead = (next, await following)
        return (page.metadata, next)
    }

    private mutating func answer(after token: String?) async -> Answer {
        defer { ahead = nil }
        if let ahead, ahead.token == token { return ahead.answer }
        return await Self.request(token, pager, semaphore)
    }

    private static func request(
        _ token: String?, _ pager: ListPager<Object>, _ semaphore: WatchStartSemaphore
    ) async -> Answer {
        var pager = pager
        let permit = await semaphore.acquire()
        defer { permit?.release() }
        do {
            return Answer(result: .success(try await pager.page(after: token)), pager: pager)
        } catch {
            return Answer(result: .failure(error), pager: pager)
        }
    }
}
