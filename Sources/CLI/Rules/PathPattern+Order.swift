/// The order of patterns by the sets of paths that they match.
extension PathPattern {
    /// Returns true if `other` matches every path that this pattern matches, and more.
    ///
    /// This is never true in both directions, so at most one of several patterns is more specific than all others.
    func isMoreSpecific(than other: PathPattern) -> Bool {
        isIncluded(in: other) && !other.isIncluded(in: self)
    }

    /// A state of this pattern with the states that the other pattern has after the same characters.
    private struct Pair: Hashable {
        let state: Int
        let others: [Int]
        let isAtStartOfName: Bool
    }

    /// The number of pairs from which inclusion counts as not shown. Contrived patterns could need an exponential number.
    private static let maximumPairs = 4096

    /// Returns true if `other` matches every path that this pattern matches. Returns false if that needs too many steps.
    func isIncluded(in other: PathPattern) -> Bool {
        let alphabet = Self.alphabet(of: tokens + other.tokens)
        let others = other.initialStates
        var pending = initialStates.map { Pair(state: $0, others: others, isAtStartOfName: true) }
        var visited = Set(pending)
        while let pair = pending.popLast() {
            if !pair.isAtStartOfName, accepts([pair.state]), !other.accepts(pair.others) { return false }
            // Names are not empty.
            for character in alphabet where !(character == "/" && pair.isAtStartOfName) {
                let states = next([pair.state], character)
                guard !states.isEmpty else { continue }
                let others = other.next(pair.others, character)
                for state in states {
                    let pair = Pair(state: state, others: others, isAtStartOfName: character == "/")
                    guard visited.insert(pair).inserted else { continue }
                    guard visited.count <= Self.maximumPairs else { return false }
                    pending.append(pair)
                }
            }
        }
        return true
    }

    /// Returns the characters of the tokens, the slash, and one that stands for all others.
    private static func alphabet(of tokens: [Token]) -> Set<Unicode.Scalar> {
        var alphabet = Set(tokens.compactMap(\.scalar))
        alphabet.insert("/")
        // Private-use characters: more of them than a pattern has characters.
        let other = (0xE000...0xF8FF).lazy.compactMap(Unicode.Scalar.init(_:)).first {
            !alphabet.contains($0)
        }
        if let other { alphabet.insert(other) }
        return alphabet
    }
}
