import Testing

@testable import KubeClient

@Suite struct LabelSelectorTests {
    @Test(
        arguments: [
            "team=payments", "team==payments", "team != payments", "team", "!legacy", "! legacy", "a=b,c=d",
            "team in (payments, billing)", "team notin (a,b),env=prod", "example.com/team=x", "size>3",
            "size < 10",
            "team=", "team in ()", "a.b_c-d=A.b_C-1",
        ])
    func acceptsSelectorsThatKubectlAccepts(text: String) {
        #expect(LabelSelector.validationError(text) == nil)
    }

    @Test(
        arguments: [
            "team=pay ments", "=payments", ",a=b", "a=b,", "team in payments", "team in (a", "team on (a)",
            "a==b==c", "-a=b", "a=-b", "/a=b", "Example.com/a=b", "team=é", "a=b\n", "size>big", "a=b)c",
            "team=\(String(repeating: "x", count: 64))",
        ])
    func rejectsInvalidSelectors(text: String) {
        #expect(LabelSelector.validationError(text) != nil)
    }

    @Test(arguments: ["X=a", "a=X!", "X in (a", "a on (X)", "a>X"])
    func cutsTheTextThatAMessageQuotes(pattern: String) {
        let text = pattern.replacing("X", with: String(repeating: "x", count: 100_000))
        #expect((1..<1000).contains(LabelSelector.validationError(text)?.utf8.count ?? 0))
    }
}
