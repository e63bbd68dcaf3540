import Envelope
import HTTPTypes
import YAML

/// One request to Vault, without its token.
struct VaultRequest: Sendable {
    var method = HTTPRequest.Method.post
    /// Below `/v1/`, of checked names: `transit/decrypt/sb-wrap`.
    let path: String
    var body: JSONValue?
    /// From the call to the last byte of its answer.
    var timeout = Duration.seconds(10)
    /// What it is for and how many keys it is about; nil: not about a key.
    var keyOperation: (operation: KeyManagerOperation, items: Int)?
}
