import Testing

@testable import Envelope

struct BindingTests {
    @Test(arguments: [
        (Scope.strict, "secrets-bridge/v1\0strict\0payments\0db"),
        (.namespace, "secrets-bridge/v1\0namespace\0payments\0"),
        (.cluster, "secrets-bridge/v1\0cluster\0\0"),
    ])
    func encodesTheBindingOfTheFormat(scope: Scope, expected: String) throws {
        let binding = try Binding(scope: scope, namespace: "payments", secretName: "db")
        #expect(binding.bytes == Array(expected.utf8))
        #expect(binding.associatedData(entry: "key") == Array("\(expected)\0key".utf8))
    }

    @Test(arguments: Scope.allCases)
    func validatesNamesInEveryScope(scope: Scope) {
        for (namespace, name) in [
            ("", "db"), ("a.b", "db"), ("payments", ""), ("payments", "D"), ("a\0", "db"),
        ] {
            #expect(throws: EnvelopeError.self) {
                try Binding(scope: scope, namespace: namespace, secretName: name)
            }
        }
    }

    @Test func quotesInvalidNamesOnOneBoundedLine() throws {
        let error = #expect(throws: EnvelopeError.self) {
            try Binding(scope: .strict, namespace: "a\nb\u{1B}é", secretName: "db")
        }
        #expect(
            error?.description
                == #"metadata.namespace "a\nb\u{1B}\u{00E9}" is not a DNS label (1 to 63 of a-z 0-9 -)"#)
        let long = #expect(throws: EnvelopeError.self) {
            try EnvelopeValidation.check(entry: String(repeating: "a", count: 100_000))
        }
        #expect((long?.description.utf8.count ?? .max) < 300)
    }
}
