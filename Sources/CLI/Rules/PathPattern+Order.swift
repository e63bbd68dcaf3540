/// The order of patterns by the sets of paths that they match.
extension PathPattern {
    /// Returns true if `other` matches every path that this pattern matches, and more.
    ///
    /// This is never true in both directions, so at most one of several patterns is more specific than all others.
    ///
    /// - Parameter steps: The steps that are left for comparisons; those of this one are taken from it.
    func isMoreSpecific(than other: PathPattern, steps: inout Int) -> Bool {
        isIncluded(in: other, steps: &steps) && !other.isIncluded(in: self, steps: &steps)
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
    ///
    /// - Parameter steps: The steps that are left. A step follows one character from one pair.
    func isIncluded(in other: PathPattern, steps: inout Int) -> Bool {
        let unnamed = Self.unnamedCharacter(in: tokens + other.tokens)
        let others = other.initialStates
        var pending = initialStates.map { Pair(state: $0, others: others, isAtStartOfName: true) }
        var visited = Set(pending)
        while let pair = pending.popLast() {
            if !pair.isAtStartOfName, accepts([pair.state]), !other.accepts(pair.others) { return false }
            // All other characters have the same effect as the unnamed one.
            let characters = literals(at: [pair.state]).union(other.literals(at: pair.others)).union([
                "/", unnamed,
            ])
            // Names are not empty.
            for character in characters where !(character == "/" && pair.isAtStartOfName) {
                steps -= 1
                guard steps > 0 else { return false }
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

    /// Returns the characters that states wait for.
    private func literals(at states: [Int]) -> Set<Unicode.Scalar> {
        Set(states.compactMap { $0 / 2 < tokens.count ? tokens[$0 / 2].scalar : nil })
    }

    /// Returns a character that no token names.
    private static func unnamedCharacter(in tokens: [Token]) -> Unicode.Scalar {
        let named = Set(tokens.compactMap(\.scalar))
        // Private-use characters: more of them than a pattern has characters.
        return (0xE000...0xF8FF).lazy.compactMap(Unicode.Scalar.init(_:)).first { !named.contains($0) }
            ?? "\u{F8FF}"
    }
}
