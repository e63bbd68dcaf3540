package import KubeClient
import Resources

extension KubeClient {
    /// Returns true if a namespace exists. The list of a namespace that does not exist is empty, and no error.
    ///
    /// - Returns: nil if the user may not read the namespace.
    package func namespaceExists(_ name: String) async throws(KubeError) -> Bool? {
        let resource = Resource(group: "", version: "v1", kind: "Namespace", plural: "namespaces")
        do throws(KubeError) {
            _ = try await getMetadata(resource, ObjectRef(namespace: "", name: name))
            return true
        } catch  where error.code == .notFound {
            return false
        } catch  where error.code == .forbidden {
            return nil
        }
    }

    /// Checks the namespace for a command that found no objects in it.
    ///
    /// - Throws: `InputError` if the namespace does not exist.
    package func requireNamespace(of selection: Selection) async throws(InputError) {
        guard let name = selection.namespace else { return }
        let exists: Bool?
        do throws(KubeError) {
            exists = try await namespaceExists(name)
        } catch {
            throw InputError(error.userMessage)
        }
        if exists == false { throw InputError.missingNamespace(name) }
    }
}

extension InputError {
    package static func missingNamespace(_ name: String) -> InputError {
        InputError(
            "namespace \(name) does not exist; kubectl get namespaces lists those of the cluster (--context chooses another "
                + "cluster)")
    }
}

extension KubeError {
    /// The line to show to a user: the error, and the remedy if one is known.
    package var userMessage: String { remedy.map { "\(self); \($0)" } ?? "\(self)" }

    private var remedy: String? {
        switch code {
        case .forbidden:
            "ask a cluster administrator for the permission, or select another user with --context; kubectl auth "
                + "can-i --list shows your permissions"
        case .unauthorized, .credentials: "log in again, or select another user with --context"
        case .transport, .timeout, .unavailable:
            "check that the cluster is running, and that it is the right one (--context, KUBECONFIG)"
        case .notFound where activity == "listing \(WrappedSecret.resource.plural)":
            "is the CRD installed? kubectl apply --server-side -f manifests/crds/"
        default: nil
        }
    }
}
