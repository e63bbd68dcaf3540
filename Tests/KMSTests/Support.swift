import Cryptography
import Envelope

@testable import KMS

func binding(_ name: String = "db", namespace: String = "payments") throws -> Binding {
    try Binding(scope: .strict, namespace: namespace, secretName: name)
}

func keyManagerError<Value>(
    _ body: () async throws(KeyManagerError) -> Value
) async -> KeyManagerError? {
    do {
        _ = try await body()
        return nil
    } catch {
        return error
    }
}

extension SharedSecret {
    func equals(_ other: SharedSecret) -> Bool { bytes.equals(other.bytes) }

    var text: String { bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
}

extension Result where Success == UnwrappedKey, Failure == KeyManagerError {
    var code: KeyManagerError.Code? {
        if case .failure(let error) = self { error.code } else { nil }
    }

    var key: SharedSecret? { (try? get())?.key }
}
