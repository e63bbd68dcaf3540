package import JSON

/// What the controller says of a WrappedSecret. Written only when something in it changes.
package struct WrappedSecretStatus: Encodable, Sendable, Hashable {
    /// The Secret as of the last successful write. Together with the Secret's metadata it tells, without
    /// the KMS, whether there is anything to do.
    package struct SecretState: Encodable, Sendable, Hashable {
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
    package struct RestartState: Encodable, Sendable, Hashable {
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
package struct Condition: Encodable, Sendable, Hashable {
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

/// Others may write a status, too. What has another shape is as good as absent, and is written again.
extension WrappedSecretStatus: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        self.init()
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "observedGeneration": observedGeneration = try json.readIfValid()
            case "conditions": conditions = try json.readIfValid()
            case "keyID": keyID = try json.readIfValid()
            case "keyVersion": keyVersion = try json.readIfValid()
            case "secret": secret = try json.readIfValid()
            case "rolloutRestart": rolloutRestart = try json.readIfValid()
            case "lastSyncTime": lastSyncTime = try json.readIfValid()
            case "lastVerifiedTime": lastVerifiedTime = try json.readIfValid()
            case "lastHandledSync": lastHandledSync = try json.readIfValid()
            default: break
            }
        }
    }
}

extension WrappedSecretStatus.SecretState: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "name": name = try json.readIfValid()
            case "uid": uid = try json.readIfValid()
            case "resourceVersion": resourceVersion = try json.readIfValid()
            case "generation": generation = try json.readIfValid()
            case "mac": mac = try json.readIfValid()
            case "renderVersion": renderVersion = try json.readIfValid()
            default: break
            }
        }
    }
}

extension WrappedSecretStatus.RestartState: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "mac": mac = try json.readIfValid()
            case "time": time = try json.readIfValid()
            default: break
            }
        }
    }
}

extension Condition: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        var type, status, lastTransitionTime, reason, message: String?
        var observedGeneration: Int64?
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "type": type = try json.read()
            case "status": status = try json.read()
            case "observedGeneration": observedGeneration = try json.readOptional()
            case "lastTransitionTime": lastTransitionTime = try json.read()
            case "reason": reason = try json.read()
            case "message": message = try json.read()
            default: break
            }
        }
        self.type = try json.require(type, "type")
        self.status = try json.require(status, "status")
        self.observedGeneration = observedGeneration
        self.lastTransitionTime = try json.require(lastTransitionTime, "lastTransitionTime")
        self.reason = try json.require(reason, "reason")
        self.message = try json.require(message, "message")
    }
}
