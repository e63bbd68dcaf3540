import Envelope
import Resources
import System

/// The result of testing the key of a provider.
enum ProviderTestResult: Sendable {
    case passed(keyID: String, limit: String?)
    case failed(KeyManagerError)
    /// A WrappedSecret was opened, of a provider that only WrappedSecrets can test.
    case opened(keyID: String)
    /// A WrappedSecret could not be opened with such a provider.
    case failedUse(KeyManagerError)
    case invalid(ProviderError)
    /// The provider logs in as service accounts of the namespaces that use it, so that only they can test it.
    case notTested
    /// The provider has passed a test in its present state.
    case unchanged

    init(_ result: SelfTestResult, keyID: String) {
        self =
            switch result {
            case .passed: .passed(keyID: keyID, limit: nil)
            case .unwrapsOnly(let limit): .passed(keyID: keyID, limit: limit)
            case .wrapsOnly(let error), .failed(let error): .failed(error)
            }
    }

    /// True if only a change of the provider, or its use, leads to another result.
    var isFinal: Bool { if case .failed = self { false } else { true } }

    /// True if the result comes from requests to the KMS.
    var askedKMS: Bool {
        switch self {
        case .passed, .failed: true
        case .opened, .failedUse, .invalid, .notTested, .unchanged: false
        }
    }

    /// Returns the status of the provider, or nil if it stays.
    ///
    /// - Parameter now: The current time, in RFC 3339 and UTC.
    func status(
        after previous: KeyProviderStatus?, generation: Int64?, now: String
    ) -> KeyProviderStatus? {
        var status = previous ?? KeyProviderStatus()
        // The key of an earlier generation may be another one.
        if status.observedGeneration != generation { status.keyID = nil }
        status.observedGeneration = generation
        let (value, reason, message): (String, KeyProviderReason, String)
        switch self {
        case .unchanged: return nil
        case .passed(let keyID, let limit):
            status.keyID = keyID
            (value, reason) = ("True", .ready)
            message = limit.map { "\(keyID) can be used; \($0)" } ?? "\(keyID) wraps and unwraps"
        case .opened(let keyID):
            status.keyID = keyID
            (value, reason, message) = ("True", .ready, "\(keyID) unwrapped a data key")
        case .failed(let error), .failedUse(let error):
            (value, reason, message) = ("False", KeyProviderReason(error.code), error.description)
        case .invalid(let error):
            (value, reason, message) = ("False", KeyProviderReason(error.reason), error.message)
        case .notTested:
            // The report of a WrappedSecret stays.
            if previous?.observedGeneration == generation, let ready = previous?.ready,
                ready.reason != KeyProviderReason.invalidSpec.rawValue, ready.status != "Unknown"
            {
                return nil
            }
            (value, reason) = ("Unknown", .notTested)
            message = "the settings are valid; the key is tested when a WrappedSecret uses it"
        }
        var condition = Condition(
            .ready, value == "True", observedGeneration: generation, lastTransitionTime: now,
            reason: reason.rawValue, message: message.escapingInvisibleCharacters.truncated(toUTF8: 2048))
        condition.status = value
        if let before = previous?.ready, before.status == value {
            condition.lastTransitionTime = before.lastTransitionTime
        }
        status.conditions = [condition]
        return status
    }
}

extension KeyProviderReason {
    fileprivate init(_ code: KeyManagerError.Code) {
        self =
            switch code {
            case .accessDenied: .accessDenied
            case .keyUnavailable: .keyUnavailable
            case .misconfigured, .invalidCiphertext: .misconfigured
            case .throttled, .unavailable, .cancelled: .kmsUnavailable
            }
    }

    fileprivate init(_ reason: Reason) {
        self =
            switch reason {
            case .providerNotFound: .providerNotFound
            case .providerNotAllowed: .providerNotAllowed
            default: .invalidSpec
            }
    }
}
