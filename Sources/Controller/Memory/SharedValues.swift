/// Values that many objects have in common, each kept once and referred to by its index. The number is bounded: a value that
/// finds no room is stored with its object.
struct SharedValues<Value: Hashable & Sendable>: Sendable {
    private let limit: Int
    private var indexes: [Value: Int] = [:]
    private(set) var values: [Value] = []

    init(limit: Int) {
        self.limit = limit
    }

    /// Returns the index of the value, which is added if there is room.
    mutating func index(of value: Value) -> Int? {
        if let known = indexes[value] { return known }
        guard values.count < limit else { return nil }
        indexes[value] = values.count
        values.append(value)
        return values.count - 1
    }
}

extension String {
    /// True for a short ASCII text. `==` equates other texts although their bytes differ.
    var isShareable: Bool { utf8.count <= 256 && utf8.allSatisfy { $0 < 0x80 } }
}
