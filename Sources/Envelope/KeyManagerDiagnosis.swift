import Cryptography

/// A key manager that, in a long-lived process, has work to do between requests.
package protocol MaintainedKeyManager: KeyManager {
    /// Keeps credentials valid, and probes a KMS in an outage, one request at a time. Returns when the task is
    /// cancelled, or at once if there is nothing to do.
    ///
    /// - Parameter onRecovery: Called when the KMS serves again after an outage: objects that wait for this key can
    ///   retry.
    func maintain(onRecovery: @escaping @Sendable () -> Void) async
}

/// A key manager that can examine its configuration better than by a data key's round trip.
package protocol DiagnosableKeyManager: KeyManager {
    /// Resolves the key that the settings name, so that `keyID` is the id in recipients. May generate a data key where
    /// the KMS offers no other way.
    func resolveKeyID() async throws(KeyManagerError)

    /// Examines whether the key can be used as it is configured, without a recipient to try.
    func selfTest() async -> SelfTestResult
}

extension DiagnosableKeyManager {
    package func resolveKeyID() async throws(KeyManagerError) {}
}

package enum SelfTestResult: Sendable, Equatable {
    /// A new data key was wrapped and unwrapped.
    case passed
    /// The key unwraps and may not wrap, which suffices for a controller. The text says what could not be tested.
    case unwrapsOnly(String)
    /// The key wraps and may not unwrap, which suffices for a developer and not for a controller.
    case wrapsOnly(KeyManagerError)
    /// The key cannot be used at present.
    case failed(KeyManagerError)
}

extension KeyManager {
    /// Runs the self-test of this key manager, or a round trip of a data key if it has none.
    package func diagnose() async -> SelfTestResult {
        if let manager = self as? any DiagnosableKeyManager { return await manager.selfTest() }
        return await testRoundTrip()
    }

    /// Generates a data key and unwraps it again.
    package func testRoundTrip() async -> SelfTestResult {
        let binding: Binding
        let generated: DataKey
        do {
            binding = try SelfTestResult.testBinding()
            generated = try await generateDataKey(for: binding)
        } catch let error as KeyManagerError {
            return .failed(error)
        } catch {
            return .failed(KeyManagerError(.misconfigured, keyID: keyID, message: "\(error)"))
        }
        do {
            let unwrapped = try await unwrap(generated.recipient, for: binding)
            guard unwrapped.key.bytes.equals(generated.key.bytes) else {
                return .failed(
                    KeyManagerError(
                        .misconfigured, keyID: keyID,
                        message:
                            "the unwrapped data key differs from the generated one; the server is not the KMS"
                    ))
            }
            return .passed
        } catch {
            return error.code == .accessDenied ? .wrapsOnly(error) : .failed(error)
        }
    }
}

extension SelfTestResult {
    /// The binding of data keys that self-tests generate. No Secret has it: namespaces that begin with "kube-" are
    /// reserved.
    package static func testBinding() throws(EnvelopeError) -> Binding {
        try Binding(scope: .strict, namespace: "kube-secrets-bridge", secretName: "self-test")
    }
}
