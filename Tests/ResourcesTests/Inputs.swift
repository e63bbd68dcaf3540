import Cryptography
import Envelope
import Foundation
import JSON
import KubeClient
import Testing
import YAML

@testable import Resources

let sealed = Base64.encode([UInt8](repeating: 2, count: 40))

/// Returns a minimal valid object after `change`.
func object(_ change: (inout WrappedSecret) -> Void = { _ in }) -> WrappedSecret {
    var object = WrappedSecret(
        metadata: ObjectMeta(name: "db", namespace: "payments", uid: "u1", generation: 3),
        spec: WrappedSecretSpec(
            envelope: EnvelopeFields(
                format: "v1", scope: "strict",
                recipients: [Recipient(keyID: "local:test", wrappedKey: String(repeating: "A", count: 80))],
                mac: Base64.encode([UInt8](repeating: 1, count: 32)), data: ["password": sealed])))
    change(&object)
    return object
}

/// Returns the error for an object, or nil if it is valid.
func refusal(_ object: WrappedSecret) -> SpecError? {
    do throws(SpecError) {
        _ = try DesiredSecret(object)
        return nil
    } catch {
        return error
    }
}

func refusal(_ change: (inout WrappedSecret) -> Void) -> SpecError? { refusal(object(change)) }

func refusal(_ template: WrappedSecretSpec.Template) -> SpecError? {
    refusal { $0.spec.template = template }
}

enum Vectors {
    static func file(_ path: String, here: String = #filePath) throws -> SecretBytes {
        let folder = URL(fileURLWithPath: here).deletingLastPathComponent().deletingLastPathComponent()
        return SecretBytes(
            copying: [UInt8](try Data(contentsOf: folder.appendingPathComponent("Vectors/\(path)"))))
    }
}

func decode<Value: JSONReadable>(_ type: Value.Type, _ text: String) throws -> Value {
    try JSONReader.read(type, from: Array(text.utf8))
}
