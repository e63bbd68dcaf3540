/// The two sets of objects that a cache holds while it is listed.
enum CachePart: Sendable {
    /// The objects that readers see.
    case visible
    /// The objects of a list that is being collected, which replace the visible ones once it is complete.
    case incoming
}

/// A value that is derived from the objects of a cache, such as an index or a count. It changes with the cache, so that a
/// complete list needs no pass over all objects.
struct DerivedState<Value: Sendable>: Sendable {
    private(set) var visible: Value
    private var incoming: Value?
    private let empty: Value

    /// - Parameter empty: The value of an empty cache.
    init(_ empty: Value) {
        visible = empty
        self.empty = empty
    }

    /// Starts a list. Drops a previous one that was not completed.
    mutating func beginList() { incoming = empty }

    /// Replaces the visible value by that of the list, if one was begun.
    mutating func commitList() {
        guard let incoming else { return }
        visible = incoming
        self.incoming = nil
    }

    mutating func change(_ part: CachePart, _ body: (inout Value) -> Void) {
        switch part {
        case .visible: body(&visible)
        case .incoming:
            guard var list = incoming else { return }
            // A second reference would copy the collections in it.
            incoming = nil
            body(&list)
            incoming = list
        }
    }
}
