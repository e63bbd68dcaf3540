package import Cryptography
import FoundationEssentials

/// A patch, by the media type that tells the server how to read it.
package enum Patch: Sendable {
    /// RFC 7386
    case merge(body: [UInt8])
    /// RFC 6902
    case json(JSONPatch)
    /// Server-side apply; may carry plaintext. `force` takes fields that another manager owns.
    case apply(body: SharedSecret, fieldManager: String, force: Bool)

    var contentType: String {
        switch self {
        case .merge: "application/merge-patch+json"
        case .json: "application/json-patch+json"
        case .apply: "application/apply-patch+yaml"
        }
    }

    var query: [(String, String)] {
        guard case .apply(_, let manager, let force) = self else { return [] }
        return [("fieldManager", manager), ("force", force ? "true" : "false")]
    }
}
