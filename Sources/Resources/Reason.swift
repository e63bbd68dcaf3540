/// The reasons of a WrappedSecret's condition `Ready`. The strings are API: alerts depend on them.
package enum Reason: String, Sendable, CaseIterable {
    case synced = "Synced"

    // Terminal: the controller waits for a change of the object.
    case invalidSpec = "InvalidSpec"
    case unsupportedFormat = "UnsupportedFormat"
    case integrityFailed = "IntegrityFailed"
    case decryptFailed = "DecryptFailed"
    case forbiddenType = "ForbiddenType"
    case tooLarge = "TooLarge"

    // Transient: the controller retries indefinitely.
    case kmsUnavailable = "KMSUnavailable"
    case unwrapDenied = "UnwrapDenied"
    /// The key, or the version that wrapped the data key, is disabled or deleted in the KMS.
    case keyUnavailable = "KeyUnavailable"
    /// None of the recipients has a key of the controller's settings.
    case noUsableRecipient = "NoUsableRecipient"
    /// A Secret of this name exists that no WrappedSecret created, or that does not allow a merge.
    case secretConflict = "SecretConflict"
    /// Another WrappedSecret, or another controller, owns the Secret.
    case ownedByAnother = "OwnedByAnother"
    case immutableSecret = "ImmutableSecret"
    case secretTypeChanged = "SecretTypeChanged"
    case secretMissing = "SecretMissing"
    /// Another writer keeps reverting the controller's changes.
    case secretContested = "SecretContested"
    case forbidden = "Forbidden"
    case admissionDenied = "AdmissionDenied"
    case quotaExceeded = "QuotaExceeded"
    /// The operator does not allow the scope of the envelope.
    case scopeNotAllowed = "ScopeNotAllowed"
    /// The provider of `spec.keyRef` does not exist.
    case providerNotFound = "ProviderNotFound"
    /// The provider of `spec.keyRef` cannot be used: its settings are wrong, or not known yet.
    case providerNotReady = "ProviderNotReady"
    /// The provider of `spec.keyRef` does not allow this namespace.
    case providerNotAllowed = "ProviderNotAllowed"
    case apiServerError = "APIServerError"
    case namespaceTerminating = "NamespaceTerminating"

    /// True if only a change of the object can resolve the problem.
    package var isTerminal: Bool {
        switch self {
        case .invalidSpec, .unsupportedFormat, .integrityFailed, .decryptFailed, .forbiddenType, .tooLarge:
            true
        default:
            false
        }
    }
}
