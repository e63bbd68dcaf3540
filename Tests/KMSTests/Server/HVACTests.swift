import Cryptography
import Envelope
import Foundation
import TestSupport
import Testing

@testable import KMS

/// hvac, an independent client, on the same key. Runs where there is a Python that has it.
@Suite(.enabled(if: OpenBao.isAvailable && HVAC.isAvailable), .serialized)
struct HVACTests {
    @Test func opensWhatWeWrapped() async throws {
        let bao = try await OpenBao()
        try await bao.makeKey()
        let made = try await bao.manager().generateDataKey(for: binding())
        let opened = try HVAC.run(
            bao,
            "t.decrypt_data('sb-wrap', ciphertext='\(made.recipient.wrappedKey)', context=context)['data']['plaintext']"
        )
        #expect(try Base64.decode(opened) == made.key.bytes.withUnsafeBytes { Array($0) })
    }

    @Test func wrapsWhatWeOpen() async throws {
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

    /// The value of an expression over `t`, hvac's transit, and the context of the tests' place, which is spelt
    /// out here.
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
