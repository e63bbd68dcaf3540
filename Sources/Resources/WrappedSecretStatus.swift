/// The status that the controller reports for a WrappedSecret. It is written only when a field changes.
package struct WrappedSecretStatus: Sendable, Hashable {
    /// The Secret after the last successful write. Together with the metadata of the Secret it shows, without the KMS, if
    /// the Secret is in sync.
    package struct SecretState: Sendable, Hashable {
        package var name: String?
        package var uid: String?
        package var resourceVersion: String?
        /// The generation of the WrappedSecret that the Secret was written from.
        package var generation: Int64?
        /// The `spec.mac` of the envelope that its data was decrypted from.
        package var mac: String?
        /// `TemplateData.hash` of the templates that its data was rendered from, or nil if there were none.
        package var templateHash: String?
        /// The version of the controller's rules for rendering a Secret.
        package var renderVersion: Int?

        package init(
            name: String, uid: String, resourceVersion: String, generation: Int64, mac: String,
            templateHash: String? = nil, renderVersion: Int
        ) {
            self.templateHash = templateHash
            self.name = name
            self.uid = uid
            self.resourceVersion = resourceVersion
            self.generation = generation
            self.mac = mac
            self.renderVersion = renderVersion
        }
    }

    /// The last rollout restart of the workloads.
    package struct RestartState: Sendable, Hashable {
        /// The `spec.mac` of the values that the workloads run with.
        package var mac: String?
        /// `TemplateData.hash` of the templates of those values.
        package var templateHash: String?
        /// The time of the restart in RFC 3339.
        package var time: String?

        package init(mac: String?, templateHash: String? = nil, time: String) {
            self.mac = mac
            self.templateHash = templateHash
            self.time = time
        }

        package init(of secret: SecretState?, time: String) {
            self.init(mac: secret?.mac, templateHash: secret?.templateHash, time: time)
        }
    }

    package var observedGeneration: Int64?
    package var conditions: [Condition]?
    /// The key, and its version, that unwrapped the data key.
    package var keyID: String?
    package var keyVersion: String?
    package var secret: SecretState?
    package var rolloutRestart: RestartState?
    /// The time of the last write of the Secret, by the clock of the API server.
    package var lastSyncTime: String?
    /// The time of the last write of the data, or of its last comparison with the values that the controller wrote; RFC 3339.
    package var lastVerifiedTime: String?
    /// The last value of the annotation `secrets-bridge.io/sync` that the controller has acted on.
    package var lastHandledSync: String?

    package init() {}

    package func condition(_ type: Condition.Kind) -> Condition? {
        conditions?.first { $0.type == type.rawValue }
    }
}

extension WrappedSecretStatus.SecretState {
    /// Identifies the values in the Secret, and changes with each of them.
    package var dataVersion: String? { Resources.dataVersion(mac, templateHash) }
}

extension WrappedSecretStatus.RestartState {
    /// Identifies the values that the workloads run with; see `SecretState.dataVersion`.
    package var dataVersion: String? { Resources.dataVersion(mac, templateHash) }
}

private func dataVersion(_ mac: String?, _ templateHash: String?) -> String? {
    guard let mac, let templateHash else { return mac }
    return "\(mac)/\(templateHash)"
}

/// A condition in the shape of the Kubernetes API conventions (metav1.Condition).
package struct Condition: Sendable, Hashable {
    package enum Kind: String, Sendable {
        case ready = "Ready"
        /// The controller continues or retries without a change by the user.
        case reconciling = "Reconciling"
        /// The controller does nothing until a user changes the object or its surroundings.
        case stalled = "Stalled"
        case suspended = "Suspended"
        /// The workloads of `spec.rolloutRestart` were restarted after the last change of the values.
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
