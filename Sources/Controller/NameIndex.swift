/// Names by what they belong to. Remembers nothing of a key without names.
struct NameIndex<Key: Hashable & Sendable>: Sendable {
    private var names: [Key: Set<String>] = [:]

    subscript(key: Key) -> Set<String> { names[key] ?? [] }

    mutating func insert(_ name: String, _ key: Key) {
        names[key, default: []].insert(name)
    }

    mutating func remove(_ name: String, _ key: Key) {
        names[key]?.remove(name)
        if names[key]?.isEmpty == true { names[key] = nil }
    }
}
