import Testing

@testable import CLI

struct RepeatedProblemsTests {
    @Test func aFewEqualProblemsAreALineEach() {
        let problems = ["a.yaml:1:1: no key", "b.yaml:1:1: no key", "c.yaml: no key", "d.yaml: other"]
        #expect(
            RepeatedProblems.lines(problems) == [
                "a.yaml:1:1: no key", "d.yaml: other", "b.yaml:1:1: no key", "c.yaml: no key",
            ])
    }

    @Test func manyEqualProblemsAreToldOnceAndCounted() {
        let problems = (0..<30_000).map { "f\($0).yaml:1:1: no key: say which" }
        #expect(
            RepeatedProblems.lines(["x.yaml: other"] + problems + ["no place"]) == [
                "x.yaml: other", "f0.yaml:1:1: no key: say which", "no place",
                "29999 more have the same problem as f0.yaml:1:1: f1.yaml:1:1, f2.yaml:1:1, f3.yaml:1:1, ...",
            ])
    }

    @Test func problemsAreShownAtOnceAndSummedUpInTheEnd() {
        var repeated = RepeatedProblems()
        #expect(repeated.add(place: "a", "no key") == "a: no key")
        for place in ["b", "c", "d", "e"] { #expect(repeated.add(place: place, "no key") == nil) }
        #expect(repeated.add(place: "f", "other") == "f: other")
        #expect(repeated.finish() == ["4 more have the same problem as a: b, c, d, ..."])
        #expect(repeated.finish() == [])
    }
}
