package import KubeClient

extension KubeClient {
    /// Whether a namespace exists. Lists of one that does not exist are empty, and no error.
    ///
    /// - Returns: nil if this user may not know.
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

    /// For a command that found nothing in the namespace of `selection`.
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
