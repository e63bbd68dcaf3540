import Envelope
import KubeClient
import Resources

/// Why a reconcile did not come to its end, by what follows from it.
enum ReconcileFailure: Error, Sendable {
    /// Said in the status; whether it is retried depends on the reason.
    case notReady(Reason, message: String)
    /// The API server could not be used, or somebody was faster: again soon, and nothing to say.
    case transient(KubeError)
    /// Its namespace has spent its share of the KMS: at this time there is more.
    case throttled(until: ContinuousClock.Instant)
    /// It waits until memory has been reserved for it.
    case waitingForMemory
    /// Again after this long, and nothing to say.
    case requeueAfter(Duration)
    /// Being deleted, or gone: nothing to do and nothing to say.
    case objectGone
}

extension ReconcileFailure {
    /// Whether the Secret that is there can never become what it should be.
    var requiresRecreation: Bool {
        if case .notReady(let reason, _) = self {
            reason == .secretTypeChanged || reason == .immutableSecret
        } else {
            false
        }
    }

    /// A failure to open the envelope.
    init(opening error: EnvelopeError) {
        if case .keyManager(let cause) = error, cause.code == .cancelled {
            // We are being stopped. That says nothing about the KMS.
            self = .transient(KubeError(.cancelled, activity: "unwrapping", message: cause.message))
            return
        }
        self = .notReady(Self.reason(error), message: Self.message(error))
    }

    /// A failure to read or write the Secret. The server's words are quoted where they cannot carry a value.
    init(accessing error: KubeError) {
        let causes = error.status?.details?.causes ?? []
        let words = error.status?.message ?? ""
        switch error.code {
        case .forbidden where error.isNamespaceTerminating:
            self = .notReady(.namespaceTerminating, message: "the namespace is being deleted")
        case .forbidden where words.contains("exceeded quota"):
            self = .notReady(
                .quotaExceeded, message: "\(error); raise the quota or delete what is not needed")
        case _ where error.status?.admissionDenial != nil:
            self = .notReady(
                .admissionDenied,
                message: "\(error); its reason may quote values, and is in the API server's audit log alone")
        case .forbidden where error.activity.hasPrefix("deleting "):
            self = .notReady(
                .forbidden,
                message:
                    "\(error); the role secrets-bridge-delete-secrets allows it (chart: rbac.deleteSecrets), or "
                    + "delete the Secret yourself")
        case .forbidden:
            self = .notReady(
                .forbidden,
                message: "\(error); the controller's role has to allow it (manifests/base/rbac.yaml)")
        case .invalid where causes.contains { $0.field == "type" }:
            self = .notReady(
                .secretTypeChanged,
                message:
                    "the Secret has another type, which cannot be changed in place; delete the Secret to have it made "
                    + "anew, or set spec.recreate to true")
        case .invalid where causes.contains(where: Self.isImmutability):
            self = .notReady(
                .immutableSecret,
                message:
                    "the Secret is immutable; delete it to have it made anew, or set spec.recreate to true")
        // Without causes it is our patch that did not fit: the Secret is not what we took it for.
        case .invalid where !causes.isEmpty:
            self = .notReady(.invalidSpec, message: "the API server refuses the Secret: \(error.message)")
        case .tooLarge:
            self = .notReady(.tooLarge, message: "the API server refuses the Secret as too large; split it")
        default:
            self = .transient(error)
        }
    }

    /// Of what the API server has answered for some time. Its words are not quoted where they may repeat what it was
    /// sent: those about a body that it cannot read, and a webhook's.
    static func persistentMessage(lasting error: KubeError) -> String {
        switch error.code {
        case .internalError where error.failedWebhook != nil:
            "\(error.activity): the admission webhook \(error.failedWebhook ?? "") fails or cannot be reached; mend it, "
                + "or let the API server do without it (failurePolicy: Ignore)"
        case .badRequest, .notAcceptable, .malformedResponse:
            "\(error.activity): the API server does not understand the request, or we its answer; look for a mutating "
                + "webhook or a proxy that changes it"
        case .conflict, .notFound, .alreadyExists, .invalid:
            "\(error.activity): each time somebody else has changed it meanwhile; managedFields of the Secret tell who"
        default:
            "\(error); the API server's log says more"
        }
    }

    private static func isImmutability(_ cause: Status.Cause) -> Bool {
        cause.reason == "FieldValueForbidden" && (cause.field == "data" || cause.field == "immutable")
    }

    private static func reason(_ error: EnvelopeError) -> Reason {
        switch error {
        case .invalid: .invalidSpec
        case .unsupportedFormat: .unsupportedFormat
        case .noUsableRecipient: .noUsableRecipient
        case .integrityFailed: .integrityFailed
        case .decryptFailed: .decryptFailed
        case .crypto: .kmsUnavailable
        case .keyManager(let error):
            switch error.code {
            case .invalidCiphertext: .decryptFailed
            case .accessDenied: .unwrapDenied
            case .keyUnavailable: .keyUnavailable
            case .misconfigured, .throttled, .unavailable, .cancelled: .kmsUnavailable
            }
        }
    }

    private static func message(_ error: EnvelopeError) -> String {
        guard reason(error) == .decryptFailed else { return error.description }
        return "\(error); check that it was wrapped for this namespace and Secret name: a copy, or a "
            + "namespace or name transformer of kustomize or Argo CD, makes it another place"
    }
}

extension KubeError {
    /// The same error of something else that was being done.
    func during(_ activity: String) -> KubeError {
        KubeError(code, activity: activity, message: message, retryAfter: retryAfter, status: status)
    }

    /// Whether it says something of this object, once it has lasted. What keeps every request from being served is
    /// told by metrics and readiness, and could not be written down.
    var isObjectSpecific: Bool {
        switch code {
        case .transport, .credentials, .unauthorized, .tooManyRequests, .cancelled: false
        default: true
        }
    }

    var isNamespaceTerminating: Bool {
        status?.details?.causes?.contains { $0.reason == "NamespaceTerminating" } == true
    }

    /// The name of an admission webhook that could not be asked; nil: it is something else.
    var failedWebhook: String? {
        guard let words = status?.message,
            let start = words.firstRange(of: "failed calling webhook \"")?.upperBound
        else { return nil }
        let name = words[start...].prefix {
            $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == ".")
        }
        return String(name.prefix(253))
    }

    /// What happens without anybody having done anything wrong: somebody was faster, or the server is away.
    var isExpected: Bool {
        switch code {
        case .conflict, .notFound, .alreadyExists, .cancelled: true
        // Without causes it is a test in our patch that did not hold.
        case .invalid: status?.details?.causes?.isEmpty != false
        default: isRetryable
        }
    }
}
