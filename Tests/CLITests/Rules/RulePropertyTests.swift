import TestSupport
import Testing

@testable import CLI

/// For random rules and paths: a rule set never gives two answers, and it agrees with a matcher that shares no code with it.
struct RulePropertyTests {
    private static let names = ["a", "b", "*", "**", "?", "a*", "*b", "a?", "ab", "*a*", "??"]
    private static let words = ["a", "b", "ab", "ba", "c", "aab"]
    /// All paths of one to three of the words.
    private static let paths: [String] = {
        let two = words.flatMap { first in words.map { "\(first)/\($0)" } }
        return words + two + two.flatMap { path in words.map { "\(path)/\($0)" } }
    }()

    private func pattern(_ generator: inout SeededGenerator) -> String {
        (0..<Int.random(in: 1...4, using: &generator)).map { _ in
            Self.names.randomElement(using: &generator) ?? "a"
        }.joined(separator: "/")
    }

    @Test(arguments: 1...6)
    func neverGivesTwoAnswers(seed: Int) throws {
        var generator = SeededGenerator(seed)
        for _ in 0..<40 {
            var texts = (0..<Int.random(in: 1...6, using: &generator)).map { _ in pattern(&generator) }
            let rules = try texts.enumerated().map { index, text in
                Rule(try PathPattern(text), source: "r", line: index + 1)
            }
            let set = RuleSet(rules, source: "r")
            let reversed = RuleSet(rules.reversed(), source: "r")
            texts.shuffle(using: &generator)
            for path in Self.paths.shuffled(using: &generator).prefix(60) {
                let matching = rules.filter { ReferenceMatcher.matches($0.pattern.description, path) }
                let answer = Self.answer(set, path)
                #expect(
                    Self.answer(reversed, path) == answer,
                    "the order of the rules changes the answer for \(path)")
                switch answer {
                case .noRule: #expect(matching.isEmpty, "\(path) has no rule, but matches \(matching)")
                case .line(let line):
                    let winner = try #require(matching.first { $0.line == line }, "\(path)")
                    for other in matching where other.line != line {
                        expect(winner.pattern, isBelow: other.pattern)
                        #expect(!other.pattern.isMoreSpecific(than: winner.pattern))
                    }
                case .ambiguous:
                    // No rule beats all others.
                    #expect(matching.count > 1)
                    for candidate in matching {
                        let beatsAll = matching.allSatisfy { other in
                            other.line == candidate.line
                                || candidate.pattern.isMoreSpecific(than: other.pattern)
                        }
                        #expect(!beatsAll, "\(candidate) would hold for \(path)")
                    }
                }
            }
        }
    }

    @Test(arguments: 1...6)
    func matchesLikeAnIndependentMatcher(seed: Int) throws {
        var generator = SeededGenerator(seed + 100)
        for _ in 0..<150 {
            let text = pattern(&generator)
            let pattern = try PathPattern(text)
            for path in Self.paths {
                #expect(pattern.matches(path) == ReferenceMatcher.matches(text, path), "\(text) \(path)")
            }
        }
    }

    @Test(arguments: 1...6)
    func ordersPatternsLikeTheSetsOfTheirPaths(seed: Int) throws {
        var generator = SeededGenerator(seed + 200)
        for _ in 0..<150 {
            let (left, right) = (try PathPattern(pattern(&generator)), try PathPattern(pattern(&generator)))
            #expect(
                !(left.isMoreSpecific(than: right) && right.isMoreSpecific(than: left)), "\(left) \(right)")
            if left.isMoreSpecific(than: right) { expect(left, isBelow: right) }
            if left.tokens == right.tokens { #expect(!left.isMoreSpecific(than: right)) }
            // A counterexample among the paths contradicts inclusion.
            let found = Self.paths.contains {
                ReferenceMatcher.matches(left.description, $0)
                    && !ReferenceMatcher.matches(right.description, $0)
            }
            if found { #expect(!left.isIncluded(in: right), "\(left) \(right)") }
        }
    }

    private func expect(_ left: PathPattern, isBelow right: PathPattern) {
        for path in Self.paths where ReferenceMatcher.matches(left.description, path) {
            #expect(ReferenceMatcher.matches(right.description, path), "\(left) \(right) \(path)")
        }
    }

    private enum Answer: Equatable {
        case noRule
        case line(Int)
        case ambiguous
    }

    private static func answer(_ set: RuleSet, _ path: String) -> Answer {
        do throws(InputError) {
            return try set.rule(forPath: path, named: path).map { .line($0.line) } ?? .noRule
        } catch {
            return .ambiguous
        }
    }
}

/// Matches by recursion over names and characters, in exponential time.
private enum ReferenceMatcher {
    static func matches(_ pattern: String, _ path: String) -> Bool {
        names(
            pattern.split(separator: "/").map(Array.init)[...],
            path.split(separator: "/").map(Array.init)[...])
    }

    private static func names(_ pattern: ArraySlice<[Character]>, _ path: ArraySlice<[Character]>) -> Bool {
        guard let first = pattern.first else { return path.isEmpty }
        let rest = pattern.dropFirst()
        if first == ["*", "*"] {
            let least = rest.isEmpty ? 1 : 0
            return least <= path.count && (least...path.count).contains { names(rest, path.dropFirst($0)) }
        }
        guard let name = path.first else { return false }
        return characters(first[...], name[...]) && names(rest, path.dropFirst())
    }

    private static func characters(_ pattern: ArraySlice<Character>, _ name: ArraySlice<Character>) -> Bool {
        guard let first = pattern.first else { return name.isEmpty }
        let rest = pattern.dropFirst()
        if first == "*" { return (0...name.count).contains { characters(rest, name.dropFirst($0)) } }
        guard let character = name.first, first == "?" || first == character else { return false }
        return characters(rest, name.dropFirst())
    }
}
