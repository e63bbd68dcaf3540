import Envelope
import HTTPTypes
import YAML

/// One request to Vault, without its token.
struct VaultCall: Sendable {
    var method = HTTPRequest.Method.post
    /// Below `/v1/`, of checked names: `transit/decrypt/sb-wrap`.
    let path: String
    var body: YAMLValue?
    /// From the call to the last byte of its answer.
    var timeout = Duration.seconds(10)
    /// What it is for and how many keys it is about; nil: not about a key.
    var purpose: (operation: KeyManagerOperation, items: Int)?
}
