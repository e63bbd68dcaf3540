/// What the edits of a file are to come to, by where things stand in it: byte offsets of nodes.
struct ExpectedChanges: Sendable {
    /// New strings, by where the old scalar starts.
    var replaced: [Int: [UInt8]] = [:]
    /// By where the sequence starts.
    var removedElements: [Int: Set<Int>] = [:]
    var addedElements: [Int: [SourceEditor.NewValue]] = [:]
    /// By where the key starts.
    var removedKeys: Set<Int> = []
    /// By where the mapping starts.
    var addedPairs: [Int: [(key: String, value: SourceEditor.NewValue)]] = [:]

    /// The number of changes.
    var count: Int {
        replaced.count + removedKeys.count + removedElements.values.reduce(0) { $0 + $1.count }
            + addedElements.values.reduce(0) { $0 + $1.count } + addedPairs.values.reduce(0) { $0 + $1.count }
    }
}
