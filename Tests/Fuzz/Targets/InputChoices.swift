/// Takes decisions from the beginning of an input. The rest is what the parser reads.
struct InputChoices {
    private(set) var rest: ArraySlice<UInt8>

    init(_ input: [UInt8]) { rest = input[...] }

    /// The next byte, or 0 after the end.
    mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

    mutating func number(below limit: Int) -> Int {
        guard limit > 0 else { return 0 }
        return (Int(byte()) << 8 | Int(byte())) % limit
    }

    mutating func element<Element>(of elements: [Element]) -> Element {
        elements[Int(byte()) % elements.count]
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        let taken = rest.prefix(count)
        rest = rest.dropFirst(taken.count)
        return Array(taken)
    }

    var remaining: [UInt8] { Array(rest) }

    /// The rest in parts of a line each: at most `count`, of which the last one has all other lines.
    func lines(_ count: Int) -> [String] {
        rest.split(separator: 0x0A, maxSplits: count - 1, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
    }
}
