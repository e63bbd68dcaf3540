import Foundation
import TestSupport
import Testing

/// `wrap` refuses exactly the Secrets that the API server refuses.
@Suite(.onRealServers)
struct TypedSecretTests {
    private func manifest(_ type: String, _ data: [String: String]) throws -> Data {
        try JSONSerialization.data(withJSONObject: [
            "apiVersion": "v1", "kind": "Secret", "metadata": ["name": "typed"], "type": type, "data": data,
        ])
    }

    private func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

    private func expectAgreement(
        _ type: String, _ data: [String: String], location: SourceLocation = #_sourceLocation
    ) async throws {
        let settings = try Settings.required()
        let input = try manifest(type, data)
        let server = try await settings.sharedCluster.tryKubectl(
            "create", "--dry-run=server", "-n", "default", "-f", "-", input: input)
        let wrapped = try await Program(
            settings.binary, ["wrap", "-n", "default"],
            environment: ["SB_WRAP_MASTER_KEY": BadInputTests.masterKey], input: input
        ).outcome()
        #expect(
            (server.status == 0) == (wrapped.status == 0),
            "\(type) \(data): \(server.errors) \(wrapped.errors)",
            sourceLocation: location)
        guard wrapped.status != 0 else { return }
        let lines = wrapped.errors.split(separator: "\n").filter { !$0.contains(#""level":"#) }
        #expect(lines.count == 1, "\(wrapped.errors)", sourceLocation: location)
        #expect(wrapped.output.isEmpty, sourceLocation: location)
    }

    static let configurations = [
        #"{"auths":{}}"#, "{}", "null", "[]", #""a""#, "1", "", " \n", "\u{FEFF}{}", "\n {} \n", "{} x",
        "{}{}",
        #"{"a":1,"a":2}"#, #"{"a":"\ud800"}"#, #"{"a":"\x"}"#, #"{"a":"\u12"}"#, "{\"a\":\"\u{1}\"}",
        "{\"a\":\"\t\"}",
        "{\"a\":\"\u{7F}\"}", #"{"a":1e999}"#, #"{"a":1.7976931348623157e308}"#,
        #"{"a":1.7976931348623159e308}"#,
        #"{"a":-0}"#, #"{"a":01}"#, #"{"a":1e-999}"#, #"{"a":1.}"#, #"{"a":.5}"#, #"{"a":+1}"#,
        #"{"a":1E+2}"#,
        #"{"a":1,}"#, #"{"a":[1,]}"#, "{}//x", "{'a':1}", "auths: {}", "eyJhdXRocyI6e319", #"{"a":True}"#,
        "{}\u{0}",
        #"{"a":[}"#, #"{"a" 1}"#, #"{"a":{}"#, #"{"a":nul}"#, #"{"a":"b""#,
        "{\"\\u0061\\\"\":[{}, [], \"\\/\"]}",
    ]

    @Test(arguments: configurations) func agreesWithTheAPIServerOnRegistryConfigurations(text: String)
        async throws
    {
        try await expectAgreement("kubernetes.io/dockerconfigjson", [".dockerconfigjson": base64(text)])
    }

    @Test(arguments: [
        ("kubernetes.io/dockercfg", [".dockercfg": "{}"]), ("kubernetes.io/dockercfg", [".dockercfg": "x"]),
        ("kubernetes.io/dockercfg", [".dockerconfigjson": "{}"]), ("kubernetes.io/dockerconfigjson", [:]),
        ("kubernetes.io/ssh-auth", ["ssh-privatekey": ""]),
        ("kubernetes.io/ssh-auth", ["ssh-privatekey": "x"]),
        ("kubernetes.io/ssh-auth", [:]), ("kubernetes.io/tls", ["tls.crt": "", "tls.key": ""]),
        ("kubernetes.io/tls", ["tls.crt": "x"]), ("kubernetes.io/tls", ["tls.key": "x"]),
        ("kubernetes.io/basic-auth", ["username": ""]), ("kubernetes.io/basic-auth", ["password": ""]),
        ("kubernetes.io/basic-auth", [:]), ("kubernetes.io/service-account-token", [:]),
        ("Kubernetes.io/tls", [:]),
        ("example.com/any", [:]), ("Opaque", [".dockerconfigjson": "x"]), ("", ["a": "b"]),
    ])
    func agreesWithTheAPIServerOnEntriesOfTypes(type: String, data: [String: String]) async throws {
        try await expectAgreement(type, data.mapValues(base64))
    }

    @Test(arguments: [
        "YR==", "YQ==", "YWJ=", "YWI=\n", "YW\r\nI=", "YQ=\n=", "YQ==\n\n", "\n", "", "YWI", "Y W I=", "=",
        "====",
        "YQ==YQ==", "YQ==x", "YWI_", " YWI=", "YWI= ", "YWI\t=",
    ])
    func agreesWithTheAPIServerOnBase64(text: String) async throws {
        try await expectAgreement("Opaque", ["a": text])
    }
}
