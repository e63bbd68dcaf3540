import Testing

@testable import CLI

/// The grammar of patterns, and the order in which they are more specific.
struct PathPatternTests {
    @Test(arguments: [
        ("a.yaml", "a.yaml", true), ("a.yaml", "A.yaml", false), ("a.yaml", "b/a.yaml", false),
        ("*", "a.yaml", true), ("*", ".hidden", true), ("*", "a/b", false), ("*.yaml", ".yaml", true),
        ("a*c", "ac", true), ("a*c", "abbc", true), ("a*c", "ab/c", false), ("a*b*c", "a-b-b-c", true),
        ("?", "a", true), ("?", "é", true), ("?", "/", false), ("??", "a", false), ("a?c", "a/c", false),
        ("**", "a", true), ("**", "a/b/c", true), ("production/**", "production/db.yaml", true),
        ("production/**", "production/a/b/c.yaml", true), ("production/**", "production", false),
        ("production/**", "productions/a", false), ("production/**", "eu/production/a", false),
        ("**/db.yaml", "db.yaml", true), ("**/db.yaml", "a/b/db.yaml", true),
        ("**/db.yaml", "adb.yaml", false),
        ("a/**/b", "a/b", true), ("a/**/b", "a/x/b", true), ("a/**/b", "a/x/y/b", true),
        ("a/**/b", "a/xb", false),
        ("a/**/b", "ab", false), ("**/a/**/b/*", "x/a/b/c", true), ("**/a/**/b/*", "a/b/b", true),
        ("**/a/**/b/*", "a/b", false), ("teams/*/db-??.yaml", "teams/shop/db-eu.yaml", true),
        ("teams/*/db-??.yaml", "teams/shop/x/db-eu.yaml", false), ("a/*/c", "a//c", false), ("**", "", false),
        ("**", "/a", false), ("a.c", "abc", false), ("é", "e\u{301}", false),
    ])
    func matches(pattern: String, path: String, expected: Bool) throws {
        #expect(try PathPattern(pattern).matches(path) == expected)
    }

    /// A mark combines with the slash or the bracket to one Character, which must not hide it.
    @Test(arguments: ["a\u{0}", "a\u{202E}b", "/\u{301}a", "a//\u{301}b", "[\u{301}a", "..\u{FE0F}/a"])
    func refusesHiddenCharacters(pattern: String) {
        #expect(throws: PathPattern.SyntaxError.self) { try PathPattern(pattern) }
    }

    @Test func refusesAPatternThatIsTooLong() throws {
        _ = try PathPattern(String(repeating: "a", count: PathPattern.maximumBytes))
        #expect(throws: PathPattern.SyntaxError.self) {
            try PathPattern(String(repeating: "é", count: PathPattern.maximumBytes / 2 + 1))
        }
    }

    @Test(arguments: [
        ("production/**", "**"), ("production/db.yaml", "production/*"), ("production/*", "production/**"),
        ("production/eu/**", "production/**"), ("**/db.yaml", "**/*.yaml"), ("a?c", "a*c"), ("a/b", "a/**/b"),
        ("a/*/b", "a/**/b"), ("*", "**"), ("a/**/b/**", "a/**"), ("a*b*c", "a*c"), ("??*", "?*"),
        ("clusters/*/production/**", "clusters/**"),
    ])
    func isMoreSpecific(left: String, right: String) throws {
        let (left, right) = (try PathPattern(left), try PathPattern(right))
        #expect(left.isMoreSpecific(than: right))
        #expect(!right.isMoreSpecific(than: left))
    }

    @Test(arguments: [
        ("*/db.yaml", "production/*"), ("**/db.yaml", "production/**"), ("a*", "*b"), ("a/**", "b/**"),
        ("a/*/c", "a/b/**"), ("?a*", "a?*"), ("**/*", "**"), ("a", "a"), ("a/*", "a/?*"),
    ])
    func isNotMoreSpecificInEitherDirection(left: String, right: String) throws {
        let (left, right) = (try PathPattern(left), try PathPattern(right))
        #expect(!left.isMoreSpecific(than: right))
        #expect(!right.isMoreSpecific(than: left))
    }

    /// Without a limit, the subsets of states would grow as a power of two.
    @Test func comparesContrivedPatternsInBoundedTime() throws {
        let right = try PathPattern("*a" + String(repeating: "?", count: 200))
        let left = try PathPattern("*a*" + String(repeating: "?", count: 201))
        let start = ContinuousClock.now
        #expect(!left.isIncluded(in: right))
        #expect(!right.isMoreSpecific(than: left) || !left.isMoreSpecific(than: right))
        #expect(ContinuousClock.now - start < .seconds(20))
    }
}

/// Comparisons of patterns whose automata have many states.
struct PathPatternStepsTests {
    private static let names = Array("bcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789").map(
        String.init)

    private func pattern(_ count: Int) throws -> PathPattern {
        try PathPattern(
            "g*" + Self.names.joined(separator: "*") + "*a" + String(repeating: "?", count: count))
    }

    /// A character that no state waits for has the same effect as any other such one.
    @Test func followsOnlyTheCharactersThatMatter() throws {
        var steps = Int.max
        _ = try pattern(12).isIncluded(in: try pattern(13), steps: &steps)
        #expect(Int.max - steps < 4 * 4096 * 8, "\(Int.max - steps)")
    }

    @Test func comparesNothingWithoutSteps() throws {
        var steps = 5
        #expect(try !PathPattern("production/**").isMoreSpecific(than: try PathPattern("**"), steps: &steps))
        #expect(steps <= 0)
    }
}

extension PathPattern {
    func isMoreSpecific(than other: PathPattern) -> Bool {
        var steps = Int.max
        return isMoreSpecific(than: other, steps: &steps)
    }

    func isIncluded(in other: PathPattern) -> Bool {
        var steps = Int.max
        return isIncluded(in: other, steps: &steps)
    }
}
