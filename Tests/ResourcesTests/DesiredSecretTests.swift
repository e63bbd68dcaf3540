import Cryptography
import Envelope
import KubeClient
import Testing

@testable import Resources

@Suite struct DesiredSecretTests {
    @Test func usesDefaultsForAbsentFields() throws {
        let secret = try DesiredSecret(object())
        #expect(secret.name == "db")
        #expect(secret.namespace == "payments")
        #expect(secret.type == "Opaque")
        #expect(!secret.isImmutable)
        #expect(secret.labels.isEmpty)
        #expect(secret.annotations.isEmpty)
        #expect(secret.envelope.binding.name == "db")
    }

    @Test func takesTheFieldsOfTheTemplate() throws {
        let secret = try DesiredSecret(
            object {
                $0.spec.template = .init(
                    metadata: .init(name: "login", labels: ["a": ""], annotations: ["x.io/B": "ü\n"]),
                    type: "example.com/x", immutable: true)
            })
        #expect(secret.name == "login")
        #expect(secret.type == "example.com/x")
        #expect(secret.isImmutable)
        #expect(secret.labels == ["a": ""])
        #expect(secret.annotations == ["x.io/B": "ü\n"])
        #expect(secret.envelope.binding.name == "login", "the binding contains the name of the Secret")
    }

    @Test func distinguishesANewerFormatFromAnInvalidOne() {
        let error = refusal { $0.spec.envelope.format = "v2" }
        #expect(error?.reason == .unsupportedFormat)
        #expect(error?.message.contains("newer secrets-bridge") == true)
    }

    @Test func refusesMoreBytesThanASecretHolds() {
        func of(_ count: Int) -> SpecError? {
            refusal { $0.spec.envelope.data = ["a": Base64.encode([UInt8](repeating: 0, count: count + 28))] }
        }
        #expect(of(1_048_576) == nil)
        #expect(of(1_048_577)?.reason == .tooLarge)
        let error = refusal {
            let half = Base64.encode([UInt8](repeating: 0, count: 600_000))
            $0.spec.envelope.data = ["a": half, "b": half]
        }
        #expect(
            error?.message
                == "the values are 1199944 bytes in total; a Secret holds at most 1048576: split it")
    }

    @Test(arguments: ["", "Db", "-a", "a..b", "a/b", "é", String(repeating: "a", count: 254)])
    func refusesInvalidNames(name: String) {
        #expect(refusal(.init(metadata: .init(name: name)))?.reason == .invalidSpec)
    }

    @Test func neverQuotesACiphertext() {
        let error = refusal { $0.spec.envelope.data["password"] = "Y2FuYXJ5 not base64" }
        #expect(error?.message.contains("spec.data.password") == true)
        #expect(error?.message.contains("Y2FuYXJ5") == false)
    }
}
