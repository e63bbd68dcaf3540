import Cryptography
import Testing

@testable import KMS

struct AWSFlatXMLTests {
    private func xml(_ text: String) -> FlatXML? { FlatXML(SecretBytes(copying: Array(text.utf8))) }

    @Test func readsTextsOfLeaves() throws {
        let text = """
            <?xml version="1.0" encoding="UTF-8"?>
            <!-- <a>no</a> -->
            <R xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
              <C><Id>A&amp;B&#x2B;&#47;</Id><Empty/><Blank></Blank></C>
              <Other  a="1" >  x </Other>
            </R>

            """
        let read = try #require(xml(text))
        #expect(read.string("R/C/Id") == "A&B+/")
        #expect(read.string("R/C/Empty") == nil)
        #expect(read.string("R/C/Blank") == nil)
        #expect(read.string("R/Other") == "  x ")
        #expect(read.string("R/C") == nil)
        #expect(read.string("C/Id") == nil)
        #expect(!"\(read)".contains("A&B"))
    }

    @Test(arguments: [
        "", "text", "<a>", "<a></b>", "<a/><a/>", "<a><b>1</b><b>2</b></a>", "</a>", "<a>x</a>y", "x<a>y</a>",
        "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", "<a>&x;</a>", "<a>&amp</a>", "<a>&#0;</a>",
        "<a>&#x110000;</a>",
        "<a>x<!-- c -->y</a>", #"<a b=">">x</a>"#, "<a><![CDATA[x]]></a>", "<a>text<b/></a>", "<a", "<a>x</a",
        "<>x</>", "<!-- <a>x</a>",
        "<?xml ><a>x</a>",
        String(repeating: "<a>", count: 17) + String(repeating: "</a>", count: 17),
        #"{"Error": "<a>x</a>"}"#, "<html><body><p>a<br></p></body></html>",
    ])
    func rejectsOtherDocuments(_ text: String) {
        #expect(xml(text) == nil)
    }

    /// The path of each leaf is stored, so that the memory is the product of both numbers.
    @Test func limitsTheLengthOfNamesAndTheNumberOfLeaves() {
        func leaves(_ count: Int) -> String {
            "<a>" + (0..<count).map { "<b\($0)>x</b\($0)>" }.joined() + "</a>"
        }
        func document(_ name: String) -> String { "<\(name)>x</\(name)>" }
        #expect(xml(leaves(1024)) != nil)
        #expect(xml(leaves(1025)) == nil)
        #expect(xml(document(String(repeating: "n", count: 128))) != nil)
        #expect(xml(document(String(repeating: "n", count: 129))) == nil)
    }

    @Test func survivesAnyBytes() {
        let pieces = [
            "<a>", "</a>", "<b/>", "&amp;", "&", ";", "<", ">", "<!--", "-->", "x", " ", "\u{0}", "<?", "?>",
        ]
        var seed: UInt64 = 7
        for _ in 0..<20_000 {
            var text = ""
            for _ in 0..<Int(seed % 12) {
                seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                text += pieces[Int(seed >> 33) % pieces.count]
            }
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            _ = xml(text)
        }
    }

    @Test func encodesForms() {
        var form = FormBody()
        form.append("Action", "A b")
        form.append("Token", SharedSecret(copying: "a+/=&é~-_.".utf8))
        #expect(form.finish().text == "Action=A%20b&Token=a%2B%2F%3D%26%C3%A9~-_.")
    }
}
