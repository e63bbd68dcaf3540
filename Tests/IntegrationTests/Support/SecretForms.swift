import Cryptography
import Foundation
import TestSupport

/// The forms in which a secret could be written: as it is, in base64 alone and inside of other base64, in hexadecimal, and as the
/// list of numbers that Swift prints for bytes.
struct SecretForms: Sendable {
    private var forms: [Data]

    init(_ secret: some Collection<UInt8>) {
        let bytes = Data(secret)
        let shifted = (0..<3).map { offset in
            let text = (Data(repeating: UInt8(ascii: "x"), count: offset) + bytes).base64EncodedString()
            return String(text.dropFirst(offset == 0 ? 0 : 4).prefix(32))
        }
        let urlSafe = shifted.map { $0.replacing("+", with: "-").replacing("/", with: "_") }
        let hex = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        let numbers = bytes.map { "\($0)" }.joined(separator: ", ")
        forms = [bytes] + (shifted + urlSafe + [hex, hex.uppercased(), numbers]).map { Data($0.utf8) }
    }

    init(_ secret: String) {
        self.init(Array(secret.utf8))
        // As a name of an object or a host is written.
        forms.append(Data(secret.lowercased().utf8))
    }

    func found(in text: String) -> Bool { found(in: Data(text.utf8)) }

    func found(in bytes: Data) -> Bool {
        bytes.withUnsafeBytes { text in
            forms.contains { form in form.withUnsafeBytes { !offsets(of: $0, in: text).isEmpty } }
        }
    }
}
