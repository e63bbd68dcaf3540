/// Which Vault, for messages: `Vault at https://vault:8200 (namespace team-a)`.
struct VaultEndpoint: Sendable, CustomStringConvertible {
    let address: ServerAddress
    let namespace: String?

    var description: String {
        "Vault at \(address.origin)" + (namespace.map { " (namespace \($0))" } ?? "")
    }
}
