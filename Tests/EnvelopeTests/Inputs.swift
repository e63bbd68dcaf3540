import Cryptography
import KMS

@testable import Envelope

/// Returns the keys of a reader that has these local master keys, given in base64.
func keyRing(_ masters: [String]) throws(EnvelopeError) -> KeyRing {
    var managers: [LocalKeyManager] = []
    for master in masters {
        guard let bytes = try? Base64.decode(master),
            let manager = try? LocalKeyManager(master: SharedSecret(copying: bytes))
        else { throw .invalid(field: "masters", problem: "is not base64 of 32 bytes") }
        managers.append(manager)
    }
    guard let primary = managers.first else { throw .invalid(field: "masters", problem: "is empty") }
    return KeyRing(primary: primary, others: Array(managers.dropFirst()))
}

/// Returns a local key of one repeated byte.
func localKey(_ byte: UInt8 = 1) throws -> LocalKeyManager {
    try LocalKeyManager(master: SharedSecret(copying: repeatElement(byte, count: 32)))
}

extension SecretEntry {
    init(_ name: String, _ value: [UInt8]) {
        self.init(name: name, value: SharedSecret(copying: value))
    }
}

extension OpenedEnvelope {
    /// Base64 of the value by entry name.
    var plaintext: [String: String] {
        Dictionary(
            entries.map { ($0.name, $0.value.bytes.withUnsafeBytes { Base64.encode($0) }) },
            uniquingKeysWith: { first, _ in first })
    }
}

/// A reproducible source of random cases (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }

    mutating func bytes(count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }

    /// Returns a valid name of an entry.
    mutating func entryName() -> String {
        let alphabet = Array("ABCXYZabcxyz0189-._")
        let name = String(
            (0..<Int.random(in: 1...20, using: &self)).map { _ in
                alphabet[Int(next() % UInt64(alphabet.count))]
            })
        return name == "." || name.hasPrefix("..") ? "x" + name : name
    }
}
