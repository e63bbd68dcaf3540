import Cryptography
import Envelope
import KubeClient
import Testing

@testable import Resources

@Suite struct DesiredSecretTests {
    @Test func fillsInWhatIsNotSaid() throws {
        let blueprint = try DesiredSecret(object())
        #expect(blueprint.name == "db" && blueprint.namespace == "payments")
        #expect(blueprint.type == "Opaque" && !blueprint.isImmutable)
        #expect(blueprint.labels.isEmpty && blueprint.annotations.isEmpty)
        #expect(blueprint.envelope.binding.name == "db")
    }

    @Test func takesWhatIsSaid() throws {
        let blueprint = try DesiredSecret(
            object {
                $0.spec.template = .init(
                    metadata: .init(name: "login", labels: ["a": ""], annotations: ["x.io/B": "ü\n"]),
                    type: "example.com/x", immutable: true)
            })
        #expect(blueprint.name == "login" && blueprint.type == "example.com/x" && blueprint.isImmutable)
        #expect(blueprint.labels == ["a": ""] && blueprint.annotations == ["x.io/B": "ü\n"])
        #expect(blueprint.envelope.binding.name == "login", "it is bound to the Secret's name")
    }

    @Test func tellsANewerFormatFromAWrongOne() {
        let error = refusal { $0.spec.envelope.format = "v2" }
        #expect(error?.reason == .unsupportedFormat)
        #expect(error?.message.contains("newer secrets-bridge") == true)
    }

    @Test func refusesMoreThanASecretHolds() {
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
                == "the values have 1199944 bytes together; a Secret holds 1048576 at most: split it")
    }

    @Test(arguments: ["", "Db", "-a", "a..b", "a/b", "é", String(repeating: "a", count: 254)])
    func refusesWhatIsNoName(name: String) {
        #expect(refusal(.init(metadata: .init(name: name)))?.reason == .invalidSpec)
    }

    @Test func neverQuotesACiphertext() {
        let error = refusal { $0.spec.envelope.data["password"] = "Y2FuYXJ5 not base64" }
        #expect(error?.message.contains("spec.data.password") == true)
        #expect(error?.message.contains("Y2FuYXJ5") == false)
    }
}
