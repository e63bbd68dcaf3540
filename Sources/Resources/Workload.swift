package import Cryptography
package import KubeClient

extension WrappedSecretSpec.Workload {
    /// Where the API server keeps it; nil for a kind that cannot be restarted.
    package var resource: Resource? {
        Self.plurals[kind].map { Resource(group: "apps", version: "v1", kind: kind, plural: $0) }
    }

    static var kinds: [String] { plurals.keys.sorted() }

    private static let plurals = [
        "Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets",
    ]
}

extension OwnershipMetadata {
    /// Annotation of a pod template: MAC of the values that its pods were started for. One for each WrappedSecret.
    package static func restartAnnotation(by name: String) throws(CryptoError) -> String {
        "secrets-bridge.io/restarted-\(try NameHash.of(name))"
    }

    /// Whether a workload lets the WrappedSecret of this name restart it.
    package static func allowsRestart(_ workload: ObjectMeta, by name: String) -> Bool {
        let allowed = (workload.annotations?[allowRestartAnnotation] ?? "").split(separator: ",")
        return allowed.contains { entry in
            let entry = entry.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()
            return entry.elementsEqual("*") || entry.elementsEqual(name)
        }
    }
}
