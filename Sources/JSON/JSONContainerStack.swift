/// Which containers a position in JSON is inside of: a bit for each, so that 100,000 of them take 12 KB and the 64
/// outermost ones no memory at all.
struct JSONContainerStack {
    private var word: UInt64 = 0
    private var full: [UInt64] = []
    private var count = 0

    /// Whether the innermost container is an object; nil outside of any.
    var isInObject: Bool? { count == 0 && full.isEmpty ? nil : word & 1 == 1 }

    mutating func push(object: Bool) {
        if count == UInt64.bitWidth {
            full.append(word)
            word = 0
            count = 0
        }
        word = word << 1 | (object ? 1 : 0)
        count += 1
    }

    mutating func pop() {
        word >>= 1
        count -= 1
        if count == 0, let outer = full.popLast() {
            word = outer
            count = UInt64.bitWidth
        }
    }
}
