import FoundationEssentials
import KubeClient
import Resources

enum StatusPatch {
    /// Replaces the whole status, if the object is still the one with this uid.
    static func make(_ status: WrappedSecretStatus, uid: String) throws -> JSONPatch {
        let json = Array(try JSONEncoder().encode(status))
        return JSONPatch { patch in
            patch.test("/metadata/uid", uid)
            patch.operation("add", "/status") { $0.encoded(json) }
        }
    }
}
