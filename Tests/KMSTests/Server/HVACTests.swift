import Cryptography
import Envelope
import Foundation
import TestSupport
import Testing

@testable import KMS

/// hvac, an independent client, with the same key. Runs if Python has the module.
@Suite(.enabled(if: OpenBao.isAvailable && HVAC.isAvailable), .serialized)
struct HVACTests {
    @Test func hvacDecryptsAGeneratedDataKey() async throws {
        let bao = try await OpenBao()
        try await bao.makeKey()
        let generated = try await bao.manager().generateDataKey(for: binding())
        let opened = try HVAC.run(
            bao,
            "t.decrypt_data('sb-wrap', ciphertext='\(generated.recipient.wrappedKey)', context=context)['data']['plaintext']"
        )
        #expect(try Base64.decode(opened) == generated.key.bytes.withUnsafeBytes { Array($0) })
    }

    @Test func unwrapsWhatHVACEncrypted() async throws {
        let bao = try await OpenBao()
        try await bao.makeKey()
        let key = [UInt8](0..<32)
        let wrapped = try HVAC.run(
            bao,
            "t.encrypt_data('sb-wrap', plaintext='\(Base64.encode(key))', context=context)['data']['ciphertext']"
        )
        let unwrapped = try await bao.manager().unwrap(
            Recipient(keyID: "vault-transit:transit/sb-wrap", wrappedKey: wrapped), for: binding())
        #expect(unwrapped.key.bytes.withUnsafeBytes { Array($0) } == key)
    }
}

private enum HVAC {
    static let isAvailable = Python.hasModules("hvac")

    /// Evaluates an expression over `t`, the transit engine of hvac, and `context`, the binding of the tests, which is written out
    /// here.
    static func run(_ bao: OpenBao, _ expression: String) throws -> String {
        let script = """
            import base64, hvac
            t = hvac.Client(url='\(bao.address)', token='\(bao.root)').secrets.transit
            context = base64.b64encode(b'secrets-bridge/v1\\0strict\\0payments\\0db').decode()
            print(\(expression), end='')
            """
        return String(decoding: try Python.run(["-c", script]), as: UTF8.self)
    }
}
