@testable import CLI

extension FuzzTarget {
    static let pathPatternTargets = [
        FuzzTarget(
            "path-pattern", maximumLength: 256,
            seeds: Seeds.texts(
                "a/**/b-?.yaml\na/x/b-1.yaml", "**\na", "*?*?*a\n" + String(repeating: "a", count: 40)),
            check: checkPattern)
    ]
}

/// A pattern matches as a recursive definition of it does.
@Sendable private func checkPattern(_ input: [UInt8]) throws {
    let parts = InputChoices(input).lines(2)
    // The recursive definition takes exponential time in the number of `**`.
    guard let pattern = try? PathPattern(parts[0]), parts[0].ranges(of: "**").count <= 3 else { return }
    let path = parts.count > 1 ? parts[1] : "a/b"
    let names = path.unicodeScalars.split(separator: "/", omittingEmptySubsequences: false)
    let expected =
        names.allSatisfy { !$0.isEmpty }
        && matches(
            parts[0].unicodeScalars.split(separator: "/").map { Array($0) }[...], names.map { Array($0) }[...]
        )
    try require(
        pattern.matches(path) == expected,
        "\(parts[0].debugDescription) and \(path.debugDescription): \(!expected)")
}

private func matches(_ pattern: ArraySlice<[Unicode.Scalar]>, _ path: ArraySlice<[Unicode.Scalar]>) -> Bool {
    guard let first = pattern.first else { return path.isEmpty }
    let rest = pattern.dropFirst()
    if first == ["*", "*"] {
        if rest.allSatisfy({ $0 == ["*", "*"] }) { return !path.isEmpty }
        return (0...path.count).contains { matches(rest, path.dropFirst($0)) }
    }
    guard let name = path.first else { return false }
    return matchesName(first[...], name[...]) && matches(rest, path.dropFirst())
}

private func matchesName(_ pattern: ArraySlice<Unicode.Scalar>, _ name: ArraySlice<Unicode.Scalar>) -> Bool {
    // The places in the pattern that the name can have reached.
    func closure(_ places: Set<Int>) -> Set<Int> {
        var found = places
        for place in pattern.indices where found.contains(place) && pattern[place] == "*" {
            found.insert(place + 1)
        }
        return found
    }
    var places = closure([pattern.startIndex])
    for scalar in name {
        var next: Set<Int> = []
        for place in places where place < pattern.endIndex {
            if pattern[place] == "*" { next.insert(place) }
            if pattern[place] == "?" || (pattern[place] == scalar && pattern[place] != "*") {
                next.insert(place + 1)
            }
        }
        places = closure(next)
    }
    return places.contains(pattern.endIndex)
}
