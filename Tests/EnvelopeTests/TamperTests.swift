import Cryptography
import KMS
import Testing

@testable import Envelope

/// Rejects every change of an envelope, at every position.
struct TamperTests {
    private let fields: EnvelopeFields
    private let keys: KeyRing
    private let namespace = "pay"
    private let name = "db"

    init() async throws {
        let key = try localKey()
        keys = KeyRing(primary: key)
        fields = try await Envelope.seal(
            [SecretEntry("ab", Array("value".utf8)), SecretEntry("c", [])],
            binding: Binding(scope: .strict, namespace: namespace, secretName: name), with: key
        ).fields
    }

    /// Returns the error of opening `fields`, or nil if they open.
    private func refusal(
        _ fields: EnvelopeFields, namespace: String? = nil, name: String? = nil
    ) async -> EnvelopeError? {
        do throws(EnvelopeError) {
            let envelope = try Envelope(
                fields, namespace: namespace ?? self.namespace, secretName: name ?? self.name)
            _ = try await envelope.open(with: keys)
            return nil
        } catch {
            return error
        }
    }

    private func isInvalidCiphertext(_ error: EnvelopeError?) -> Bool {
        guard case .keyManager(let error) = error else { return false }
        return error.code == .invalidCiphertext
    }

    private var integrityFailed: EnvelopeError { .integrityFailed(keyID: keys.primary.keyID) }

    private func isInvalid(_ error: EnvelopeError?) -> Bool {
        guard case .invalid = error else { return false }
        return true
    }

    /// Returns the text with one bit flipped, one character removed, doubled or inserted, or truncated, at each position.
    private func changes(of text: String) -> [String] {
        let bytes = Array(text.utf8)
        var changed: [[UInt8]] = []
        for index in bytes.indices {
            for bit in 0..<7 {
                var copy = bytes
                copy[index] ^= 1 << bit
                changed.append(copy)
            }
            changed.append(Array(bytes[..<index]))
            changed.append(Array(bytes[(index + 1)...]))
            for inserted in [bytes[index], 0, UInt8(ascii: "A"), UInt8(ascii: "="), UInt8(ascii: "\n")] {
                changed.append(bytes[..<index] + [inserted] + bytes[index...])
            }
            changed.append(Array(bytes[..<index]) + bytes[(index + 1)...])
        }
        for last in ["A", "=", "\n", "\0", "AAAA"] { changed.append(bytes + Array(last.utf8)) }
        return Set(changed.filter { $0 != bytes }).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Changes the decoded bytes in the same way, and encodes them as canonical base64.
    private func changesOfBytes(_ text: String) throws -> [(String, count: Int)] {
        let bytes = try Base64.decode(text)
        var changed: [[UInt8]] = []
        for index in bytes.indices {
            for bit in 0..<8 {
                var copy = bytes
                copy[index] ^= 1 << bit
                changed.append(copy)
            }
            changed.append(Array(bytes[..<index]))
            changed.append(Array(bytes[(index + 1)...]))
            changed.append(Array(bytes[..<index]) + bytes[(index + 1)...])
            changed.append(bytes[..<index] + [0] + bytes[index...])
        }
        changed += [bytes + [0], [0] + bytes, bytes + bytes]
        return changed.filter { $0 != bytes }.map { (Base64.encode($0), $0.count) }
    }

    @Test func opensTheUnchangedEnvelope() async {
        #expect(await refusal(fields) == nil)
    }

    @Test func rejectsAChangedMAC() async throws {
        for text in changes(of: fields.mac) {
            var copy = fields
            copy.mac = text
            #expect(await refusal(copy) != nil, "\(text.debugDescription)")
        }
        for (text, count) in try changesOfBytes(fields.mac) {
            var copy = fields
            copy.mac = text
            let refusal = await refusal(copy)
            #expect(count == 32 ? refusal == integrityFailed : isInvalid(refusal), "\(text)")
        }
    }

    @Test(arguments: ["ab", "c"]) func rejectsAChangedValue(entry: String) async throws {
        let value = try #require(fields.data[entry])
        for text in changes(of: value) {
            var copy = fields
            copy.data[entry] = text
            #expect(await refusal(copy) != nil, "\(text.debugDescription)")
        }
        for (text, count) in try changesOfBytes(value) {
            var copy = fields
            copy.data[entry] = text
            let refusal = await refusal(copy)
            #expect(count >= 28 ? refusal == integrityFailed : isInvalid(refusal), "\(text)")
        }
    }

    @Test func rejectsAChangedWrappedKey() async throws {
        let wrapped = fields.recipients[0].wrappedKey
        for text in changes(of: wrapped) {
            var copy = fields
            copy.recipients[0].wrappedKey = text
            #expect(await refusal(copy) != nil, "\(text.debugDescription)")
        }
        for (text, _) in try changesOfBytes(wrapped) {
            var copy = fields
            copy.recipients[0].wrappedKey = text
            let refusal = await refusal(copy)
            #expect(isInvalidCiphertext(refusal) || (text.utf8.count < 16 && isInvalid(refusal)), "\(text)")
        }
    }

    @Test func rejectsAChangedKeyID() async {
        for text in changes(of: fields.recipients[0].keyID) {
            var copy = fields
            copy.recipients[0].keyID = text
            switch await refusal(copy) {
            case .invalid, .noUsableRecipient: break
            case let other: Issue.record("\(text.debugDescription): \(String(describing: other))")
            }
        }
    }

    @Test func rejectsAChangedEntryName() async {
        for entry in fields.data.keys {
            for text in changes(of: entry) where fields.data[text] == nil {
                var copy = fields
                copy.data[entry] = nil
                copy.data[text] = fields.data[entry]
                let refusal = await refusal(copy)
                #expect(refusal == integrityFailed || isInvalid(refusal), "\(text.debugDescription)")
            }
        }
    }

    @Test func rejectsAChangedFormatOrScope() async {
        for text in changes(of: fields.format) {
            var copy = fields
            copy.format = text
            #expect(await refusal(copy) == .unsupportedFormat(text))
        }
        for text in changes(of: fields.scope) {
            var copy = fields
            copy.scope = text
            #expect(isInvalid(await refusal(copy)), "\(text.debugDescription)")
        }
        for scope in Scope.allCases where scope != .strict {
            var copy = fields
            copy.scope = scope.rawValue
            #expect(isInvalidCiphertext(await refusal(copy)))
        }
    }

    @Test func rejectsAnotherNamespaceOrName() async {
        for text in changes(of: namespace) {
            let refusal = await refusal(fields, namespace: text)
            #expect(isInvalidCiphertext(refusal) || isInvalid(refusal), "\(text.debugDescription)")
        }
        for text in changes(of: name) {
            let refusal = await refusal(fields, name: text)
            #expect(isInvalidCiphertext(refusal) || isInvalid(refusal), "\(text.debugDescription)")
        }
        #expect(isInvalidCiphertext(await refusal(fields, namespace: name, name: namespace)))
    }
}
