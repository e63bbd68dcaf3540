/// Limits where a ciphertext can be decrypted.
package enum Scope: String, Sendable, CaseIterable {
    /// The ciphertext is bound to one Secret: its namespace and its name.
    case strict
    /// The ciphertext is bound to a namespace; any Secret in it may carry the values.
    case namespace
    /// The ciphertext is bound to nothing. The controller's configuration must allow this scope.
    case cluster
}

/// The scope, namespace and Secret name that an envelope is bound to. The binding is the associated data of every
/// value, part of the MAC, and the encryption context at the KMS, so that a copy in another place cannot be decrypted.
package struct Binding: Hashable, Sendable {
    package let scope: Scope
    /// Empty for `cluster`.
    package let namespace: String
    /// The name of the Secret, not of the WrappedSecret. Empty for `namespace` and `cluster`.
    package let name: String

    /// Validates all arguments and keeps those that `scope` binds.
    ///
    /// - Parameter namespace: May be nil for `cluster` only, so that a manifest without a namespace can be wrapped.
    package init(scope: Scope, namespace: String?, secretName: String) throws(EnvelopeError) {
        if namespace != nil || scope != .cluster {
            try EnvelopeValidation.check(namespace: namespace ?? "")
        }
        try EnvelopeValidation.check(secretName: secretName)
        self.scope = scope
        self.namespace = scope == .cluster ? "" : namespace ?? ""
        self.name = scope == .strict ? secretName : ""
    }

    /// The encoded binding `B` of the envelope format: the format's name, scope, namespace and name, separated by NUL.
    /// No part can contain a NUL, so different bindings have different bytes.
    package var bytes: [UInt8] {
        var bytes = Array("secrets-bridge/v1".utf8)
        for part in [scope.rawValue, namespace, name] {
            bytes.append(0)
            bytes.append(contentsOf: part.utf8)
        }
        return bytes
    }

    /// Returns the associated data of the value with the name `entry`: `B ‖ 00 ‖ entry`.
    func associatedData(entry: String) -> [UInt8] {
        bytes + [0] + Array(entry.utf8)
    }
}
