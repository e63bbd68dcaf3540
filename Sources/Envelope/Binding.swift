/// How far a ciphertext may travel.
package enum Scope: String, Sendable, CaseIterable {
    /// Opens only as the Secret of this name in this namespace.
    case strict
    /// Opens under any name in this namespace.
    case namespace
    /// Opens in any namespace. The operator must allow it.
    case cluster
}

/// The place a ciphertext belongs to. It is the associated data of every value, part of the MAC, and the
/// context that the KMS checks, so a copy elsewhere does not open.
package struct Binding: Hashable, Sendable {
    package let scope: Scope
    /// Empty for `cluster`.
    package let namespace: String
    /// Name of the Secret, not of the WrappedSecret. Empty for `namespace` and `cluster`.
    package let name: String

    /// Takes what `scope` binds and ignores the rest, after checking all of it. Only for `cluster` may there
    /// be no namespace: a manifest that says none can still be wrapped.
    package init(scope: Scope, namespace: String?, secretName: String) throws(EnvelopeError) {
        if namespace != nil || scope != .cluster { try EnvelopeValidation.check(namespace: namespace ?? "") }
        try EnvelopeValidation.check(secretName: secretName)
        self.scope = scope
        self.namespace = scope == .cluster ? "" : namespace ?? ""
        self.name = scope == .strict ? secretName : ""
    }

    /// `B` of the envelope format: the format's name, scope, namespace and name, separated by NUL. None of
    /// them can contain a NUL, so no two bindings share their bytes.
    package var bytes: [UInt8] {
        var bytes = Array("secrets-bridge/v1".utf8)
        for part in [scope.rawValue, namespace, name] {
            bytes.append(0)
            bytes.append(contentsOf: part.utf8)
        }
        return bytes
    }

    /// Associated data of one value: `B ‖ 00 ‖ entry`.
    func associatedData(entry: String) -> [UInt8] {
        bytes + [0] + Array(entry.utf8)
    }
}
