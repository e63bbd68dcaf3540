import COpenSSL

/// What can go wrong in this module. Never contains key material.
package enum CryptoError: Error, Equatable, Sendable {
    /// A tag or MAC did not verify: wrong key, wrong associated data, or changed bytes.
    case authenticationFailed
    /// An argument has a length the algorithm does not have.
    case wrongLength(of: String, expected: Int, actual: Int)
    /// libcrypto itself failed (out of memory, no entropy, FIPS refusal), with its error stack.
    case libcrypto(activity: String, stack: [String])
}

/// Runs `call`; when it does not return 1, throws with libcrypto's error stack.
func requireSuccess(_ activity: String, _ call: () -> Int32) throws(CryptoError) {
    ERR_clear_error()
    guard call() != 1 else { return }
    throw .libcrypto(activity: activity, stack: drainErrorStack())
}

func drainErrorStack() -> [String] {
    var stack: [String] = []
    var text = [CChar](repeating: 0, count: 256)
    while case let code = ERR_get_error(), code != 0 {
        ERR_error_string_n(code, &text, text.count)
        stack.append(String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }
    return stack
}
