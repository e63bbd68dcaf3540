/// Why `Ready` is what it is. The names are API: people alert on them.
package enum Reason: String, Sendable, CaseIterable {
    case synced = "Synced"

    // These wait for a change of the object.
    case invalidSpec = "InvalidSpec"
    case unsupportedFormat = "UnsupportedFormat"
    case integrityFailed = "IntegrityFailed"
    case decryptFailed = "DecryptFailed"
    case forbiddenType = "ForbiddenType"
    case tooLarge = "TooLarge"

    // These are retried for ever.
    case kmsUnavailable = "KMSUnavailable"
    case unwrapDenied = "UnwrapDenied"
    case keyUnavailable = "KeyUnavailable"
    case noUsableRecipient = "NoUsableRecipient"
    case secretConflict = "SecretConflict"
    case ownedByAnother = "OwnedByAnother"
    case immutableSecret = "ImmutableSecret"
    case secretTypeChanged = "SecretTypeChanged"
    case secretMissing = "SecretMissing"
    case secretContested = "SecretContested"
    case forbidden = "Forbidden"
    case admissionDenied = "AdmissionDenied"
    case quotaExceeded = "QuotaExceeded"
    case scopeNotAllowed = "ScopeNotAllowed"
    case apiServerError = "APIServerError"
    case namespaceTerminating = "NamespaceTerminating"

    /// Only a change of the object can help.
    package var isTerminal: Bool {
        switch self {
        case .invalidSpec, .unsupportedFormat, .integrityFailed, .decryptFailed, .forbiddenType, .tooLarge:
            true
        default:
            false
        }
    }
}
