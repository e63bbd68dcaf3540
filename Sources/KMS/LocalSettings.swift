import Cryptography
import Envelope
import System

extension LocalKeyManager {
    /// The master of `SB_WRAP_MASTER_KEY`, then those of `SB_WRAP_MASTER_KEYS_PREVIOUS`, which only unwrap.
    static func load(
        from environment: Environment, observer: (any KeyManagerObserver)? = nil
    ) throws(SettingError) -> [any KeyManager] {
        let variable = "SB_WRAP_MASTER_KEY"
        guard let text = try environment.secret(variable) else {
            throw SettingError(
                variable: variable,
                problem: "is not set; the local backend needs base64 of 32 bytes, "
                    + "for example: export \(variable)=$(openssl rand -base64 32)")
        }
        var managers = [try make(text.bytes, variable: variable, observer)]
        let previous = "SB_WRAP_MASTER_KEYS_PREVIOUS"
        if let list = try environment.secret(previous) {
            for text in list.bytes.split(separator: UInt8(ascii: ",")) {
                guard let text = text.bytes.withUnsafeBytes({ SettingText.trimmedSecret($0) }) else {
                    continue
                }
                managers.append(try make(text.bytes, variable: previous, observer))
            }
        }
        return managers
    }

    private static func make(
        _ text: borrowing SecretBytes, variable: String, _ observer: (any KeyManagerObserver)?
    ) throws(SettingError) -> LocalKeyManager {
        do {
            let master = try text.withUnsafeBytes { bytes throws(Base64.DecodingError) in
                try Base64.decodeSecret(bytes)
            }
            return try LocalKeyManager(master: SharedSecret(master), observer: observer)
        } catch let error as CryptoError {
            guard case .wrongLength(_, _, let actual) = error else {
                throw SettingError(variable: variable, problem: "cannot be used: \(error)")
            }
            throw SettingError(
                variable: variable,
                problem: "holds \(actual) bytes; base64 of 32 bytes is expected (openssl rand -base64 32)")
        } catch {
            throw SettingError(
                variable: variable,
                problem: "is not canonical base64; base64 of 32 bytes is expected (openssl rand -base64 32)")
        }
    }
}
