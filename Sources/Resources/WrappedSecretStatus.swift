/// What the controller says of a WrappedSecret. Written only when something in it changes.
package struct WrappedSecretStatus: Codable, Sendable, Hashable {
    /// The Secret as of the last successful write. Together with the Secret's metadata it tells, without
    /// the KMS, whether there is anything to do.
    package struct SecretState: Codable, Sendable, Hashable {
        package var name: String?
        package var uid: String?
        package var resourceVersion: String?
        /// The WrappedSecret's generation that the Secret was made from.
        package var generation: Int64?
        /// `spec.mac` that its data was opened from.
        package var mac: String?
        /// Version of the controller's rules for making a Secret.
        package var renderVersion: Int?

        package init(
            name: String, uid: String, resourceVersion: String, generation: Int64, mac: String,
            renderVersion: Int
        ) {
            self.name = name
            self.uid = uid
            self.resourceVersion = resourceVersion
            self.generation = generation
            self.mac = mac
            self.renderVersion = renderVersion
        }
    }

    /// What workloads were last restarted for.
    package struct RestartState: Codable, Sendable, Hashable {
        /// `spec.mac` of the values that they run with.
        package var mac: String?
        /// RFC 3339.
        package var time: String?

        package init(mac: String?, time: String) {
            self.mac = mac
            self.time = time
        }
    }

    package var observedGeneration: Int64?
    package var conditions: [Condition]?
    /// Which recipient served, and which version of its key.
    package var keyID: String?
    package var keyVersion: String?
    package var secret: SecretState?
    package var rolloutRestart: RestartState?
    /// When the Secret was last written, by the API server's clock.
    package var lastSyncTime: String?
    /// When the Secret's data was last written, or compared with what this controller wrote. RFC 3339.
    package var lastVerifiedTime: String?
    /// Value of the annotation `secrets-bridge.io/sync` that was acted on.
    package var lastHandledSync: String?

    package init() {}

    package func condition(_ type: Condition.Kind) -> Condition? {
        conditions?.first { $0.type == type.rawValue }
    }
}

/// A condition in the shape of the Kubernetes API conventions (metav1.Condition).
package struct Condition: Codable, Sendable, Hashable {
    package enum Kind: String, Sendable {
        case ready = "Ready"
        /// Work that the controller will go on with by itself.
        case reconciling = "Reconciling"
        /// Nothing will happen until somebody changes something.
        case stalled = "Stalled"
        case suspended = "Suspended"
        /// Whether the workloads of `spec.rolloutRestart` were restarted for the values they have now.
        case rolloutRestarted = "RolloutRestarted"
    }

    package var type: String
    /// "True", "False" or "Unknown".
    package var status: String
    package var observedGeneration: Int64?
    package var lastTransitionTime: String
    package var reason: String
    package var message: String

    package init(
        _ kind: Kind, _ status: Bool, observedGeneration: Int64?, lastTransitionTime: String,
        reason: String, message: String
    ) {
        type = kind.rawValue
        self.status = status ? "True" : "False"
        self.observedGeneration = observedGeneration
        self.lastTransitionTime = lastTransitionTime
        self.reason = reason
        self.message = message
    }
}
