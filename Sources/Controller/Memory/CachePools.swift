/// The values that many objects of a cache have in common, each kept once: texts, sets, lists and maps of few entries.
struct CachePools: Sendable {
    private(set) var sets: SharedValues<Set<String>>
    private(set) var lists: SharedValues<[String]>
    private(set) var maps: SharedValues<[String: String]>
    var texts: SharedValues<String>

    /// - Parameters:
    ///   - texts: The maximum number of texts.
    ///   - collections: The maximum number of sets, of lists and of maps.
    init(texts: Int = 8192, collections: Int = 1024) {
        self.texts = SharedValues(limit: texts)
        (sets, lists, maps) = (
            SharedValues(limit: collections), SharedValues(limit: collections),
            SharedValues(limit: collections)
        )
    }

    /// The values by their indices, as a reader needs them.
    struct Values: Sendable {
        let texts: [String]
        let sets: [Set<String>]
        let lists: [[String]]
        let maps: [[String: String]]
    }

    var values: Values {
        Values(texts: texts.values, sets: sets.values, lists: lists.values, maps: maps.values)
    }

    /// Collections with more entries are stored with their object.
    private static let maximumEntries = 16

    // A collection begins with 0 and an index if it is shared, and otherwise with its count plus 1.

    mutating func write(_ names: [String], to writer: inout PackedWriter) {
        Self.write(names, in: names, to: &writer, &lists, &texts)
    }

    mutating func write(_ keys: Set<String>, to writer: inout PackedWriter) {
        Self.write(keys, in: keys.sorted(), to: &writer, &sets, &texts)
    }

    /// - Parameter order: The elements in an order that equal collections have in common.
    private static func write<Texts: Collection<String> & Hashable & Sendable>(
        _ collection: Texts, in order: @autoclosure () -> [String], to writer: inout PackedWriter,
        _ pool: inout SharedValues<Texts>, _ texts: inout SharedValues<String>
    ) {
        if collection.count <= maximumEntries, collection.allSatisfy(\.isShareable),
            let index = pool.index(of: collection, size: collection.reduce(0) { $0 + $1.utf8.count + 16 })
        {
            writer.count(0)
            return writer.count(index)
        }
        writer.count(collection.count + 1)
        for text in order() { writer.sharedText(text, &texts) }
    }

    /// - Parameter isShared: True if most objects have the same map.
    mutating func write(_ map: [String: String]?, isShared: Bool, to writer: inout PackedWriter) {
        writer.flag(map != nil)
        guard let map else { return }
        if isShared, map.count <= Self.maximumEntries,
            map.allSatisfy({ $0.key.isShareable && $0.value.isShareable }),
            let index = maps.index(
                of: map, size: map.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count + 32 })
        {
            writer.count(0)
            return writer.count(index)
        }
        writer.count(map.count + 1)
        for (key, value) in map.sorted(by: { $0.key < $1.key }) {
            writer.sharedText(key, &texts)
            writer.text(value)
        }
    }
}

extension CachePools.Values {
    func readList(_ reader: inout PackedReader) -> [String] {
        Self.texts(&reader, lists) { $0 }
    }

    func readSet(_ reader: inout PackedReader) -> Set<String> {
        Self.texts(&reader, sets) { Set($0) }
    }

    private static func texts<Texts>(
        _ reader: inout PackedReader, _ pool: [Texts], _ make: ([String]) -> Texts
    ) -> Texts {
        let count = reader.listSize()
        guard count > 0 else {
            let index = reader.size()
            return pool.indices.contains(index) ? pool[index] : make([])
        }
        return make((1..<count).map { _ in reader.text() ?? "" })
    }

    func readMap(_ reader: inout PackedReader) -> [String: String]? {
        guard reader.flag() == true else { return nil }
        let count = reader.listSize()
        guard count > 0 else {
            let index = reader.size()
            return maps.indices.contains(index) ? maps[index] : [:]
        }
        var map: [String: String] = [:]
        for _ in 1..<count {
            guard let key = reader.text() else { break }
            map[key] = reader.text()
        }
        return map
    }
}

extension PackedWriter {
    /// Writes a list, whose absence differs from an empty one.
    mutating func list<Element>(_ elements: [Element]?, _ write: (Element, inout PackedWriter) -> Void) {
        count((elements?.count ?? -1) + 1)
        for element in elements ?? [] { write(element, &self) }
    }
}

extension PackedReader {
    mutating func list<Element>(_ read: (inout PackedReader) -> Element) -> [Element]? {
        let count = listSize()
        return count > 0 ? (1..<count).map { _ in read(&self) } : nil
    }
}
