import Cryptography

/// Stands for an object's name where that may be too long: in field managers and keys of annotations.
enum NameHash {
    /// 16 hexadecimal digits of its SHA-256.
    static func of(_ name: String) throws(CryptoError) -> String {
        hex(try sha256(Array(name.utf8)).prefix(8))
    }
}
