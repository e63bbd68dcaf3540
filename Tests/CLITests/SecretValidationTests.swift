import Cryptography
import Envelope
import Resources
import Testing

@testable import CLI

/// Refuses what the API server refuses for a type. Each case was sent to kube-apiserver 1.36, and `TypedSecretTests`
/// sends them again.
@Suite struct SecretValidationTests {
    private func isAccepted(_ type: String, _ data: [String: [UInt8]]) -> Bool {
        let entries = data.map { SecretEntry(name: $0.key, value: SharedSecret(copying: $0.value)) }
        do throws(SpecError) {
            try SecretValidation.check(type: type, entries)
            return true
        } catch {
            expectSafeMessage(error.description)
            #expect(error.description.contains(type))
            return false
        }
    }

    static let configurations: [(String, [UInt8], Bool)] = [
        ("registries", Array(#"{"auths":{"r.example.com":{"auth":"YTpi"}}}"#.utf8), true),
        ("an empty object", Array("{}".utf8), true), ("null", Array("null".utf8), true),
        ("a list", Array("[]".utf8), false), ("a string", Array(#""a""#.utf8), false),
        ("a number", Array("1".utf8), false), ("nothing", [], false), ("blanks", Array(" \n".utf8), false),
        ("a byte order mark", [0xEF, 0xBB, 0xBF] + Array("{}".utf8), false),
        ("white space around it", Array("\n\t{} \r\n".utf8), true),
        ("more after it", Array("{} x".utf8), false),
        ("two objects", Array("{}{}".utf8), false), ("a key twice", Array(#"{"a":1,"a":2}"#.utf8), true),
        ("bytes that are not UTF-8", Array(#"{"a":""#.utf8) + [0xFF] + Array(#""}"#.utf8), true),
        ("half a surrogate pair", Array(#"{"a":"\ud800"}"#.utf8), true),
        ("an unknown escape", Array(#"{"a":"\x"}"#.utf8), false),
        ("a short escape", Array(#"{"a":"\u12"}"#.utf8), false),
        ("a control character", Array("{\"a\":\"\u{1}\"}".utf8), false),
        ("a tab in a string", Array("{\"a\":\"\t\"}".utf8), false),
        ("a tab in a key", Array("{\"a\t\":1}".utf8), false), ("DEL", Array("{\"a\":\"\u{7F}\"}".utf8), true),
        ("a number beyond a double", Array(#"{"a":1e999}"#.utf8), false),
        ("a long number", Array(("{\"a\":" + String(repeating: "9", count: 400) + "}").utf8), false),
        ("the largest double", Array(#"{"a":1.7976931348623157e308}"#.utf8), true),
        ("a number that is too small", Array(#"{"a":1e-999}"#.utf8), true),
        ("minus zero", Array(#"{"a":-0}"#.utf8), true),
        ("a zero before a number", Array(#"{"a":01}"#.utf8), false),
        ("a minus alone", Array(#"{"a":-}"#.utf8), false), ("a point alone", Array(#"{"a":1.}"#.utf8), false),
        ("a comma at the end", Array(#"{"a":1,}"#.utf8), false),
        ("a comma in a list", Array(#"{"a":[1,]}"#.utf8), false),
        ("a comment", Array("{}//x".utf8), false), ("single quotes", Array("{'a':1}".utf8), false),
        ("YAML", Array("auths: {}".utf8), false), ("Python's True", Array(#"{"a":True}"#.utf8), false),
        ("a NUL after it", Array("{}\u{0}".utf8), false), ("not closed", Array(#"{"a":{}"#.utf8), false),
        ("a wrong bracket", Array(#"{"a":[}"#.utf8), false), ("no colon", Array(#"{"a" 1}"#.utf8), false),
        ("base64 of an object", Array("eyJhdXRocyI6e319".utf8), false),
        (
            "10,000 levels",
            Array(
                ("{\"a\":" + String(repeating: "[", count: 9999)
                    + String(repeating: "]", count: 9999) + "}").utf8), true
        ),
        (
            "10,001 levels",
            Array(
                ("{\"a\":" + String(repeating: "[", count: 10000)
                    + String(repeating: "]", count: 10000) + "}").utf8), false
        ),
    ]

    @Test(arguments: configurations.indices) func checksRegistryConfigurationsAsTheAPIServerDoes(index: Int) {
        let (name, text, isValid) = Self.configurations[index]
        #expect(
            isAccepted("kubernetes.io/dockerconfigjson", [".dockerconfigjson": text]) == isValid, "\(name)")
        #expect(isAccepted("kubernetes.io/dockercfg", [".dockercfg": text]) == isValid, "\(name)")
        #expect(isAccepted("Opaque", [".dockerconfigjson": text]))
    }

    @Test(arguments: [
        ("kubernetes.io/ssh-auth", ["ssh-privatekey": ""], false),
        ("kubernetes.io/ssh-auth", ["ssh-privatekey": "x"], true), ("kubernetes.io/ssh-auth", [:], false),
        ("kubernetes.io/tls", ["tls.crt": "", "tls.key": ""], true),
        ("kubernetes.io/tls", ["tls.crt": "x"], false),
        ("kubernetes.io/tls", ["tls.key": "x"], false), ("kubernetes.io/basic-auth", ["username": ""], true),
        ("kubernetes.io/basic-auth", ["password": ""], true), ("kubernetes.io/basic-auth", [:], false),
        ("kubernetes.io/dockercfg", [".dockerconfigjson": "{}"], false),
        ("kubernetes.io/dockerconfigjson", [".dockercfg": "{}"], false), ("Kubernetes.io/tls", [:], true),
        ("example.com/x", [:], true),
    ])
    func checksEntriesOfTypesAsTheAPIServerDoes(type: String, data: [String: String], isValid: Bool) {
        #expect(isAccepted(type, data.mapValues { Array($0.utf8) }) == isValid)
    }

    @Test(arguments: [
        ("{\"auths\":{}}\\n", "byte 12"), ("eyJhdXRocyI6e319", "encoded twice"),
        ("x", "does not begin with {"),
    ])
    func explainsTheProblem(text: String, part: String) {
        let problem = Array(text.utf8).withUnsafeBytes { DockerConfigurationSyntax.problem(in: $0) }
        #expect(problem?.contains(part) == true, "\(problem ?? "")")
    }
}
