/// Values that many objects have in common, each kept once and referred to by its index. Number and size are bounded: a value
/// that finds no room is stored with its object.
struct SharedValues<Value: Hashable & Sendable>: Sendable {
    private let limit: Int
    private let maximumBytes: Int
    private var byteCount = 0
    private var indexes: [Value: Int] = [:]
    private(set) var values: [Value] = []

    init(limit: Int, maximumBytes: Int = 512 << 10) {
        self.limit = limit
        self.maximumBytes = maximumBytes
    }

    /// Returns the index of the value, which is added if there is room. A value that was refused once is refused always, so
    /// that equal objects are packed into equal bytes.
    ///
    /// - Parameter size: The bytes of its texts.
    mutating func index(of value: Value, size: Int) -> Int? {
        if let known = indexes[value] { return known }
        // Once the bytes are spent, nothing is added any more, however small.
        guard values.count < limit, byteCount <= maximumBytes else { return nil }
        byteCount += size
        indexes[value] = values.count
        values.append(value)
        return values.count - 1
    }
}

extension String {
    /// True for a short ASCII text. `==` equates other texts although their bytes differ.
    var isShareable: Bool { utf8.count <= 256 && utf8.allSatisfy { $0 < 0x80 } }
}
