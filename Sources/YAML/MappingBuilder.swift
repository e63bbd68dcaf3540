/// Collects the pairs of one mapping and refuses a key that comes twice, which every parser resolves
/// differently.
struct MappingBuilder {
    private(set) var entries: [Node.Entry] = []
    private var places: [String: Int] = [:]

    /// The line of an earlier pair with the same key that is not merged in, where there is one.
    func earlierLine(of key: String) -> Int? {
        guard let place = places[key], !entries[place].isMerged else { return nil }
        return entries[place].keyMark.line
    }

    func contains(_ key: String) -> Bool { places[key] != nil }

    /// A pair of the mapping itself takes the place of a merged one.
    mutating func append(_ entry: Node.Entry, in text: SourceText) throws(YAMLError) {
        if let line = earlierLine(of: entry.key) {
            throw text.error(
                .duplicateKey, at: entry.keyMark,
                "this key is there twice, first in line \(line); remove one")
        }
        if let place = places[entry.key] {
            entries[place] = entry
        } else {
            places[entry.key] = entries.count
            entries.append(entry)
        }
    }
}
