import System

/// The rules of one file. Their order has no meaning.
///
/// Of several rules that match a path, the one whose pattern is more specific than all others holds: every path that it
/// matches, the others match too. If there is no such rule, the match is ambiguous, which is an error. Two answers are
/// impossible, because no two patterns are each more specific than the other.
package final class RuleSet: Sendable {
    package let source: String
    package let rules: [Rule]

    private struct Comparison: Hashable {
        let left: Int
        let right: Int
    }

    private struct State {
        /// The results of comparing patterns, which takes longer than matching them.
        var comparisons: [Comparison: Bool] = [:]
        /// The steps that are left for comparing patterns: a few seconds. Without them, a match is ambiguous.
        var steps = 2_000_000
    }

    private let state = Locked(State())

    /// The number of rules that may match one path. It bounds the number of comparisons.
    static let maximumMatches = 16

    init(_ rules: [Rule], source: String) {
        self.rules = rules
        self.source = source
    }

    /// Returns the rule for a file, or nil if none matches.
    ///
    /// - Parameters:
    ///   - path: The path relative to the folder of the rules file.
    ///   - name: The path in messages.
    /// - Throws: `InputError` if the match is ambiguous.
    package func rule(forPath path: String, named name: String) throws(InputError) -> Rule? {
        let characters = Array(path.unicodeScalars)
        let matches = rules.indices.filter { rules[$0].pattern.matches(characters) }
        guard matches.count <= Self.maximumMatches else {
            throw InputError(
                name,
                "\(matches.count) rules of \(source) match; at most \(Self.maximumMatches) may match one file, "
                    + "so make their patterns narrower")
        }
        // A rule that is more specific than all others replaces every candidate, and is replaced by none.
        guard var best = matches.first else { return nil }
        for index in matches.dropFirst() where isMoreSpecific(index, than: best) { best = index }
        for index in matches where index != best && !isMoreSpecific(best, than: index) {
            let (first, second) = (min(best, index), max(best, index))
            throw InputError(
                name,
                "\(rules[first]) and \(rules[second]) both match, and neither is the more specific one; change "
                    + "a pattern, or add a rule for the files that both match")
        }
        return rules[best]
    }

    private func isMoreSpecific(_ left: Int, than right: Int) -> Bool {
        let comparison = Comparison(left: left, right: right)
        return state.withLock { state in
            if let known = state.comparisons[comparison] { return known }
            let result = rules[left].pattern.isMoreSpecific(than: rules[right].pattern, steps: &state.steps)
            state.comparisons[comparison] = result
            return result
        }
    }
}
