/// One result for each element, in their order; at most `limit` are under way at once. Ends when all have ended: a
/// cancelled task's `body` has to end early by itself.
package func mapConcurrently<Element: Sendable, Value: Sendable>(
    _ elements: [Element], limit: Int, _ body: @escaping @Sendable (Element) async -> Value
) async -> [Value] {
    let results = await withTaskGroup(of: (Int, Value).self) { group in
        var results = [Value?](repeating: nil, count: elements.count)
        for (index, element) in elements.enumerated() {
            if index >= max(limit, 1), let (done, value) = await group.next() { results[done] = value }
            group.addTask { (index, await body(element)) }
        }
        for await (done, value) in group { results[done] = value }
        return results
    }
    return results.compactMap(\.self)
}
