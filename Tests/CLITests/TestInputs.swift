import Cryptography
import Envelope
import Foundation
import JSON
import TestSupport
import Testing
import YAML

@testable import CLI

/// A plaintext that no message may contain.
let canary = "canary-7f3a"

func secretBytes(_ text: String) -> SecretBytes { SecretBytes(copying: text.utf8) }

func text(_ secret: SharedSecret?) -> String? {
    secret.map { $0.bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
}

func entries(_ secret: SecretInput) -> [String: String] {
    Dictionary(uniqueKeysWithValues: secret.entries.map { ($0.name, text($0.value) ?? "") })
}

/// Returns the message of the error that `body` throws, or nil if it succeeds.
func errorMessage<Value>(_ body: () throws(InputError) -> Value) -> String? {
    do throws(InputError) {
        _ = try body()
        return nil
    } catch {
        return error.description
    }
}

func errorMessage<Value: Sendable>(_ body: () async throws(InputError) -> Value) async -> String? {
    do throws(InputError) {
        _ = try await body()
        return nil
    } catch {
        return error.description
    }
}

/// Expects a message of one line without the canary.
func expectSafeMessage(_ message: String?, location: SourceLocation = #_sourceLocation) {
    #expect(message?.contains("\n") == false, sourceLocation: location)
    #expect(message?.contains(canary) == false, sourceLocation: location)
    #expect(message?.contains(Base64.encode(canary.utf8)) == false, sourceLocation: location)
}

/// Returns the value as YAML.
func yaml(_ value: JSONValue) -> String {
    YAMLWriter.write([value]).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
}

/// Returns the value as another JSON parser reads it.
func json(_ value: JSONValue) throws -> AnyJSON {
    try AnyJSON(JSONWriter.write([value]).withUnsafeBytes { Array($0) })
}
