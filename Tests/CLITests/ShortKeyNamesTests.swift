import Testing

@testable import CLI

struct ShortKeyNamesTests {
    private static let arn = "arn:aws:kms:eu-west-1:111122223333:key/"

    @Test(arguments: [
        ("local:" + String(repeating: "0123456789abcdef", count: 4), "local:0123456789ab"),
        (arn + "1234abcd-12ab-34cd-56ef-1234567890ab", "aws-kms:eu-west-1/1234abcd"),
        (arn + "mrk-1234abcd12ab34cd56ef1234567890ab", "aws-kms:eu-west-1/mrk-1234abcd"),
        ("vault-transit:transit/sb-wrap", "vault-transit:transit/sb-wrap"),
        (
            "vault-transit:organisation/team/environment/transit/sb-wrap",
            "vault-transit:...ronment/transit/sb-wrap"
        ),
        ("-", "-"), ("", ""),
    ])
    func idsAreShort(id: String, label: String) {
        #expect(ShortKeyNames([id])[id] == label)
        #expect(ShortKeyNames([id])["another"] == "another")
    }

    @Test func keysWithTheSameShortNameKeepTheirIDs() {
        let ids = [Self.arn + "1234abcd-1", Self.arn + "1234abcd-2", Self.arn + "5678abcd-1"]
        let labels = ShortKeyNames(ids + ids)
        #expect(ids.map { labels[$0] } == [ids[0], ids[1], "aws-kms:eu-west-1/5678abcd"])
    }
}
