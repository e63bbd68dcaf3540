import Cryptography

/// What transit gives for a ciphertext: `vault:v<version>:<base64>`. A row's text is sent to Vault only when it
/// has this form.
struct TransitCiphertext: Equatable {
    let version: String

    /// nil: not of that form.
    init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].utf8.elementsEqual("vault".utf8),
            parts[1].utf8.first == UInt8(ascii: "v")
        else { return nil }
        let digits = parts[1].dropFirst()
        guard (1...9).contains(digits.utf8.count), digits.utf8.first != UInt8(ascii: "0"),
            digits.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }),
            let bytes = try? Base64.decode(String(parts[2])), !bytes.isEmpty
        else { return nil }
        version = String(digits)
    }
}
