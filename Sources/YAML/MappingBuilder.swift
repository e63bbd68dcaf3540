/// Collects the pairs of one mapping and refuses a key that comes twice, which every parser resolves
/// differently.
struct MappingBuilder {
    private(set) var entries: [YAMLNode.Entry] = []
    /// Open addressing: places of `entries` plus one, by the hash of their key; 0 is free. A dictionary would take more
    /// memory than the entries themselves. Empty as long as there are few of them.
    private var table: [UInt32] = []

    /// So many are looked at one after the other.
    private static let few = 8

    /// The line of an earlier pair with the same key that is not merged in, where there is one.
    func earlierLine(of key: String) -> Int? {
        guard let place = place(of: key), !entries[place].isMerged else { return nil }
        return entries[place].keyRange.line
    }

    func contains(_ key: String) -> Bool { place(of: key) != nil }

    /// A pair of the mapping itself takes the place of a merged one.
    mutating func append(_ entry: YAMLNode.Entry, in text: SourceText) throws(YAMLError) {
        guard let place = place(of: entry.key) else {
            entries.append(entry)
            index()
            return
        }
        guard entries[place].isMerged else {
            throw text.error(
                .duplicateKey, at: entry.keyRange,
                "this key is there twice, first in line \(entries[place].keyRange.line); remove one")
        }
        entries[place] = entry
    }

    private func place(of key: String) -> Int? {
        guard !table.isEmpty else { return entries.firstIndex { $0.key == key } }
        var slot = slot(of: key)
        while table[slot] != 0 {
            let place = Int(table[slot]) - 1
            if entries[place].key == key { return place }
            slot = (slot + 1) & (table.count - 1)
        }
        return nil
    }

    /// Takes up the last entry, or all of them where the table is to grow.
    private mutating func index() {
        guard entries.count > Self.few else { return }
        guard entries.count * 2 > table.count else { return insert(entries.count - 1) }
        table = [UInt32](repeating: 0, count: max(table.count * 2, Self.few * 4))
        for place in entries.indices { insert(place) }
    }

    private mutating func insert(_ place: Int) {
        var slot = slot(of: entries[place].key)
        while table[slot] != 0 { slot = (slot + 1) & (table.count - 1) }
        table[slot] = UInt32(truncatingIfNeeded: place + 1)
    }

    /// The number of slots is a power of two.
    private func slot(of key: String) -> Int { key.hashValue & (table.count - 1) }
}
