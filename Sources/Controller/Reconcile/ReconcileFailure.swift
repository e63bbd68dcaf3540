import Envelope
import KubeClient
import Resources

/// The reason why a reconcile did not finish. The cases differ in what the controller does next.
enum ReconcileFailure: Error, Sendable {
    /// The object is not in sync, and its status reports why. The reason decides whether it is retried.
    ///
    /// - Parameter provider: The provider whose key could not open the envelope; another one may.
    case notReady(Reason, message: String, provider: ResolvedProvider? = nil)
    /// Another writer keeps reverting our changes of the Secret. The status reports that, and the next repair waits.
    case contested(message: String, delay: Duration)
    /// A request to the API server failed or conflicted: retried soon, and not reported unless it lasts.
    case transient(KubeError)
    /// The namespace has used up its rate limit for unwrapping until this time.
    case throttled(until: ContinuousClock.Instant)
    /// The object is queued again when memory has been reserved for it.
    case waitingForMemory
    /// The object is queued again when fewer reconciles use its provider.
    case waitingForProvider
    case requeueAfter(Duration)
    /// The WrappedSecret does not exist any more, or is being deleted.
    case objectGone
}

extension ReconcileFailure {
    /// The outcome of a failure that is neither logged nor reported.
    var silentOutcome: WorkQueue.Outcome? {
        switch self {
        case .objectGone: .done
        case .throttled(let instant): .throttled(until: instant)
        case .waitingForMemory: .waitingForMemory
        case .waitingForProvider: .waitingForProvider
        case .requeueAfter(let delay): .requeue(after: delay)
        case .notReady, .contested, .transient: nil
        }
    }

    /// True if the Secret can only become the desired one by being recreated.
    var requiresRecreation: Bool {
        guard case .notReady(let reason, _, _) = self else { return false }
        return reason == .secretTypeChanged || reason == .immutableSecret
    }

    /// - Parameter provider: The provider whose key was used, or nil for the controller's own keys.
    init(unwrapping error: EnvelopeError, provider: ResolvedProvider? = nil) {
        if case .keyManager(let cause) = error, cause.code == .cancelled {
            // This process is being stopped, which says nothing about the KMS.
            self = .transient(KubeError(.cancelled, activity: "unwrapping", message: cause.message))
            return
        }
        self = .notReady(Self.reason(error), message: Self.message(error), provider: provider)
    }

    /// A failure to read or write the Secret. Quotes the server's message unless it may contain a value.
    init(accessing error: KubeError) {
        let causes = error.status?.details?.causes ?? []
        switch error.code {
        case .forbidden where error.isNamespaceTerminating:
            self = .notReady(.namespaceTerminating, message: "the namespace is being deleted")
        case .forbidden where error.status?.message?.contains("exceeded quota") == true:
            self = .notReady(
                .quotaExceeded, message: "\(error); raise the quota, or delete Secrets that are not needed")
        case _ where error.status?.admissionDenial != nil:
            self = .notReady(
                .admissionDenied,
                message:
                    "\(error); the reason is left out because it may quote secret values; find it in the API server's audit "
                    + "log")
        case .forbidden where error.activity.hasPrefix("deleting "):
            self = .notReady(
                .forbidden,
                message:
                    "\(error); allow it with the role secrets-bridge-delete-secrets (chart: rbac.deleteSecrets), or "
                    + "delete the Secret yourself")
        case .forbidden:
            self = .notReady(
                .forbidden, message: "\(error); allow it in the controller's role (manifests/base/rbac.yaml)")
        case .invalid where causes.contains { $0.field == "type" }:
            self = .notReady(
                .secretTypeChanged,
                message:
                    "the Secret has another type, which cannot be changed; delete the Secret so that it is recreated, or set "
                    + "spec.recreate to true")
        case .invalid where causes.contains(where: Self.isImmutability):
            self = .notReady(
                .immutableSecret,
                message:
                    "the Secret is immutable; delete it so that it is recreated, or set spec.recreate to true"
            )
        // Without causes, a test in our JSON Patch failed: the Secret has changed since it was read.
        case .invalid where !causes.isEmpty:
            self = .notReady(.invalidSpec, message: "the API server rejected the Secret: \(error.message)")
        case .tooLarge:
            self = .notReady(.tooLarge, message: "the API server rejected the Secret as too large; split it")
        default:
            self = .transient(error)
        }
    }

    /// Describes an error that the API server has returned for some time. Leaves out messages that may repeat what was
    /// sent: those about a body that the server cannot read, and those of a webhook.
    static func persistentMessage(_ error: KubeError) -> String {
        switch error.code {
        case .internalError where error.failedWebhook != nil:
            "\(error.activity): the admission webhook \(error.failedWebhook ?? "") fails or cannot be reached; repair it, "
                + "or let the API server continue without it (failurePolicy: Ignore)"
        case .badRequest, .notAcceptable, .malformedResponse:
            "\(error.activity): the API server rejected the request as malformed, or returned a response that cannot be "
                + "read; look for a mutating webhook or a proxy that changes requests or responses"
        case .conflict, .notFound, .alreadyExists, .invalid:
            "\(error.activity): another writer changes the Secret before each write of the controller; find that writer in "
                + "the Secret's managedFields"
        default:
            "\(error); see the API server's log"
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
        return
            "\(error); check that the data was wrapped for this namespace and Secret name; a copy has others, and so does an "
            + "object that a namespace or name transformer of kustomize or Argo CD has changed"
    }
}
