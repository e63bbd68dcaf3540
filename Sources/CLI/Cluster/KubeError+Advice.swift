package import KubeClient
import Resources

extension KubeError {
    /// The line for a person who asked a cluster: what happened, and what to do where that can be said.
    package var userMessage: String { advice.map { "\(self); \($0)" } ?? "\(self)" }

    private var advice: String? {
        switch code {
        case .forbidden:
            "ask whoever administers the cluster for that right, or choose another user with --context; kubectl auth "
                + "can-i --list shows what you have"
        case .unauthorized, .credentials: "log in again, or choose another user with --context"
        case .transport, .timeout, .unavailable:
            "check that the cluster is up, and that it is the one you mean (--context, KUBECONFIG)"
        case .notFound where activity == "listing \(WrappedSecret.resource.plural)":
            "does the cluster know WrappedSecrets? kubectl apply --server-side -f manifests/crds/"
        default: nil
        }
    }
}
