import Envelope
import KubeClient
import Resources

/// What is known of the data of a Secret that was synced before, without reading it.
///
/// A resourceVersion that has not moved since it was proved proves the data: every write moves it, and only the API server
/// sets it. `managedFields` prove nothing, because a writer of the Secret can set them as well. They are a hint for what
/// to do first when nothing else is known.
enum DataEvidence: Sendable, Equatable {
    /// The data is what was written.
    case unchanged
    /// The Secret has changed since the data was proved; what the data was is remembered.
    case versionMoved(VerifiedData)
    /// The Secret has changed, nothing is remembered of its data, and nothing hints at a change of it.
    case unknown
    /// As `unknown`, and another writer has set an entry.
    case likelyChanged

    /// - Parameters:
    ///   - made: what the status says of the last successful write.
    ///   - lastSync: when that was, by the API server's clock.
    init(
        _ secret: ObjectMeta, _ made: WrappedSecretStatus.SecretState, _ blueprint: DesiredSecret,
        _ proof: VerifiedData?, lastSync: String?
    ) {
        if let proof, proof.uid == secret.uid, proof.envelopeDigest == blueprint.envelope.digest {
            self = proof.resourceVersion == secret.resourceVersion ? .unchanged : .versionMoved(proof)
        } else if made.resourceVersion == secret.resourceVersion {
            self = .unchanged
        } else {
            self =
                DataOwnership(of: blueprint).appearsUnchanged(secret, since: lastSync)
                ? .unknown : .likelyChanged
        }
    }
}
