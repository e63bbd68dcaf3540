import Cryptography

/// An envelope of format v1 that passed every check that needs no key.
///
/// Values are AES-256-GCM under a data key that is used for this one set; a MAC under a key derived from
/// the same data key covers the set, so that no entry can be dropped, added or rolled back alone, and no
/// two data keys can be made to open one envelope (docs/envelope.md).
package struct Envelope: Sendable {
    package static let format = "v1"

    package struct Entry: Sendable {
        package let name: String
        /// nonce ‖ ciphertext ‖ tag
        package let sealed: [UInt8]
    }

    package let binding: Binding
    package let recipients: [Recipient]
    package let mac: [UInt8]
    /// In byte order of their names.
    package let entries: [Entry]

    /// Bytes of all values together, in the clear.
    package var plaintextByteCount: Int {
        entries.reduce(0) { $0 + $1.sealed.count - AES256GCM.overhead }
    }

    /// The bytes the MAC is over: `B`, then for each entry in byte order `00 entry 00 SHA-256(sealed)`.
    static func macInput(binding: Binding, entries: [Entry]) throws(CryptoError) -> [UInt8] {
        var input = binding.bytes
        for entry in entries {
            input.append(0)
            input.append(contentsOf: entry.name.utf8)
            input.append(0)
            input.append(contentsOf: try sha256(entry.sealed))
        }
        return input
    }

    static func computeMAC(
        binding: Binding, entries: [Entry], dataKey: borrowing SecretBytes
    ) throws(CryptoError) -> SecretBytes {
        let macKey = try hmacSHA256(Array("secrets-bridge/v1 mac key".utf8), key: dataKey)
        return try hmacSHA256(macInput(binding: binding, entries: entries), key: macKey)
    }

    static func inByteOrder(_ left: String, _ right: String) -> Bool {
        left.utf8.lexicographicallyPrecedes(right.utf8)
    }
}
