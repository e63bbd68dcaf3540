import Envelope

/// Scopes in the words of sealed-secrets.
extension Scope {
    private static let clusterWide = "sealedsecrets.bitnami.com/cluster-wide"
    private static let namespaceWide = "sealedsecrets.bitnami.com/namespace-wide"

    /// As a SealedSecret's own annotations say it; the wider one wins.
    init(sealedSecretAnnotations annotations: [String: String]) {
        if annotations[Self.clusterWide] == "true" {
            self = .cluster
        } else if annotations[Self.namespaceWide] == "true" {
            self = .namespace
        } else {
            self = .strict
        }
    }

    /// How a SealedSecret gets it.
    var sealedSecretsRemedy: String {
        switch self {
        case .strict: "remove the annotations \(Self.clusterWide) and \(Self.namespaceWide)"
        case .namespace:
            "annotate the SealedSecret \(Self.namespaceWide): \"true\", and not \(Self.clusterWide)"
        case .cluster: "annotate the SealedSecret \(Self.clusterWide): \"true\""
        }
    }

    var sealedSecretsName: String {
        switch self {
        case .strict: "strict"
        case .namespace: "namespace-wide"
        case .cluster: "cluster-wide"
        }
    }

    /// The label of RSA-OAEP.
    func oaepLabel(namespace: String, name: String) -> [UInt8] {
        switch self {
        case .strict: Array("\(namespace)/\(name)".utf8)
        case .namespace: Array(namespace.utf8)
        case .cluster: []
        }
    }
}
