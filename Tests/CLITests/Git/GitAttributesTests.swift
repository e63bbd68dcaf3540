import Testing

@testable import CLI

struct GitAttributesTests {
    @Test func appendsALineForAPattern() {
        var attributes = GitAttributes("*.png binary")
        let isChanged = attributes.add(pattern: "secrets/*.yaml")
        #expect(isChanged)
        #expect(attributes.text == "*.png binary\nsecrets/*.yaml diff=wrappedsecret merge=wrappedsecret\n")
    }

    @Test func changesNothingTheSecondTime() {
        var attributes = GitAttributes("")
        let isChanged = attributes.add(pattern: "my secrets/*.yaml")
        #expect(isChanged)
        let text = attributes.text
        #expect(text == "\"my secrets/*.yaml\" diff=wrappedsecret merge=wrappedsecret\n")
        let isChangedAgain = attributes.add(pattern: "my secrets/*.yaml")
        #expect(!isChangedAgain)
        #expect(attributes.text == text)
    }

    @Test func completesALineThatHasOneOfTheDrivers() {
        var attributes = GitAttributes("# x\n*.yaml  diff=wrappedsecret eol=lf\n")
        let isChanged = attributes.add(pattern: "*.yaml")
        #expect(isChanged)
        #expect(attributes.text == "# x\n*.yaml diff=wrappedsecret eol=lf merge=wrappedsecret\n")
    }

    @Test func removesTheDriversAndKeepsTheRest() {
        var attributes = GitAttributes(
            "# x\n*.yaml diff=wrappedsecret merge=wrappedsecret eol=lf\n*.yml merge=wrappedsecret\n*.a binary\n"
        )
        let isChanged = attributes.removeAll()
        #expect(isChanged)
        #expect(attributes.text == "# x\n*.yaml eol=lf\n*.a binary\n")
        let isChangedAgain = attributes.removeAll()
        #expect(!isChangedAgain)
    }

    @Test func keepsTheLinesOfAFileWithCarriageReturns() {
        var attributes = GitAttributes("*.png filter=lfs -text\r\n*.yaml merge=wrappedsecret\r\n")
        let isChanged = attributes.add(pattern: "*.yaml")
        #expect(isChanged)
        #expect(
            attributes.text
                == "*.png filter=lfs -text\r\n*.yaml merge=wrappedsecret diff=wrappedsecret\r\n")
        let isRemoved = attributes.removeAll()
        #expect(isRemoved)
        #expect(attributes.text == "*.png filter=lfs -text\r\n")
    }

    @Test(arguments: ["", "!a", "a\nb", "[attr]x", "a\u{202E}"])
    func refusesAPatternThatIsNone(pattern: String) {
        #expect(throws: InputError.self) { try GitAttributes.check(pattern: pattern) }
    }
}

struct RevisionRangeTests {
    @Test func readsTwoRevisions() throws {
        let range = try RevisionRange("origin/main..HEAD^")
        #expect(range.base == "origin/main")
        #expect(range.head == "HEAD^")
        #expect(!range.usesMergeBase)
        #expect(try RevisionRange("a...").usesMergeBase)
        #expect(try RevisionRange("a...").head == "HEAD")
        #expect(try RevisionRange("..b").base == "HEAD")
    }

    @Test(arguments: ["", "main", "..", "...", "-x..HEAD", "a..--output=x", "a..b..c", "a....b", "a..b\n"])
    func refusesATextThatIsNoRange(text: String) {
        #expect(throws: InputError.self) { try RevisionRange(text) }
    }
}
