import Cryptography

/// What a key manager found out about itself.
package enum SelfTestResult: Sendable, Equatable {
    /// A fresh data key was wrapped and unwrapped.
    case passed
    /// It unwraps and may not wrap: right for a controller. The text says what could not be tested.
    case unwrapsOnly(String)
    /// It wraps and may not unwrap: right for a developer, wrong for a controller.
    case wrapsOnly(KeyManagerError)
    /// It can be used for nothing, for now.
    case failed(KeyManagerError)
}

extension SelfTestResult {
    /// The place that data keys of self-tests are made for. No Secret can have this name in a namespace that
    /// exists, as "kube-" namespaces are not handed out.
    package static func testBinding() throws(EnvelopeError) -> Binding {
        try Binding(scope: .strict, namespace: "kube-secrets-bridge", secretName: "self-test")
    }

    /// Makes a data key and unwraps it again.
    package static func roundTrip(of manager: any KeyManager) async -> SelfTestResult {
        let binding: Binding
        let made: DataKey
        do {
            binding = try Self.testBinding()
            made = try await manager.generateDataKey(for: binding)
        } catch let error as KeyManagerError {
            return .failed(error)
        } catch {
            return .failed(KeyManagerError(.misconfigured, keyID: manager.keyID, message: "\(error)"))
        }
        do {
            let unwrapped = try await manager.unwrap(made.recipient, for: binding)
            guard unwrapped.key.bytes.equals(made.key.bytes) else {
                return .failed(
                    KeyManagerError(
                        .misconfigured, keyID: manager.keyID,
                        message: "a data key comes back as another one; what answers is not the KMS"))
            }
            return .passed
        } catch {
            return error.code == .accessDenied ? .wrapsOnly(error) : .failed(error)
        }
    }
}
