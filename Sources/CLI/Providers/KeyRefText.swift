import Envelope
import KubeClient
package import Resources

/// A `spec.keyRef` as text: `KeyProvider/NAME` or `ClusterKeyProvider/NAME`.
extension WrappedSecretSpec.KeyRef {
    /// Returns nil if the text is neither. The kind may be in any case, as for kubectl.
    package init?(text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, EnvelopeValidation.isDNSSubdomain(parts[1]),
            let kind = [KeyProvider.resource.kind, ClusterKeyProvider.resource.kind].first(where: {
                $0.lowercased() == parts[0].lowercased()
            })
        else { return nil }
        self.init(kind: kind, name: parts[1])
    }

    package var text: String { "\(kind)/\(name)" }
}
