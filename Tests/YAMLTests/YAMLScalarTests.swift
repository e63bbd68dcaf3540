import Cryptography
import Testing

@testable import YAML

struct YAMLScalarTests {
    /// Value and JSON, as kubectl printed them.
    @Test(arguments: try Vectors.lines("kubectl-scalars.tsv"))
    func readsAsKubectlDoes(line: String) throws {
        let parts = line.split(separator: "\t", omittingEmptySubsequences: false)
        let manifest = "stringData:\n  a: \(parts[0])\n"
        // kubectl replaces bytes that are not UTF-8; this reader rejects them.
        guard parts[1] != "refused", parts[0] != "!!binary /w==" else {
            #expect(readError(manifest)?.code == .badTag)
            return
        }
        let scalar = try #require(try read(manifest).first?["stringData"]?["a"]?.scalar)
        switch parts[1].first {
        case "\"":
            #expect(scalar.valueType == .string)
            let expected = try #require(try read("[\(parts[1])]").first?.elements?.first)
            #expect(text(scalar.bytes.bytes) == text(expected))
        case "t", "f":
            #expect(scalar.bool == (parts[1] == "true"))
        case "n":
            #expect(scalar.valueType == .null)
        default:
            #expect(scalar.valueType == .int || scalar.valueType == .float)
            if scalar.valueType == .int {
                #expect(scalar.int.map { "\($0)" } ?? String(parts[1]) == parts[1])
            }
        }
    }

    /// kubectl reads them and then fails, since JSON has no such numbers.
    @Test(arguments: [".inf", "-.Inf", "+.INF", ".nan", ".NaN"])
    func infinityIsANumber(value: String) throws {
        #expect(try read("a: \(value)").first?["a"]?.typeName == "a number")
    }

    @Test func marksKeysThatKubectlCoerces() throws {
        let entries = try #require(
            try read("1: a\nyes: b\n0x10: c\n1.20: d\n'on': e\nplain: f\n").first?.entries)
        #expect(entries.map(\.key) == ["1", "true", "16", "1.20", "on", "plain"])
        #expect(entries.map(\.isKeyCoerced) == [false, true, true, true, false, false])
    }
}
