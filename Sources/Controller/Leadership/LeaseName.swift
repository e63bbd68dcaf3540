import Cryptography

/// The name of the lease for what an instance looks after. Instances that look after different things must not
/// wait for each other; so what is not everything is part of the name.
package enum LeaseName {
    package static let defaultName = "secrets-bridge"

    /// - Parameter selector: as the operator wrote it.
    package static func name(namespaces: [String], labelSelector selector: String?) -> String {
        guard !namespaces.isEmpty || selector != nil else { return defaultName }
        let text = Set(namespaces).sorted().joined(separator: ",") + "\n" + (selector ?? "")
        // Not for security: any digest will do.
        let digest = (try? sha256(Array(text.utf8))) ?? []
        return "\(defaultName)-\(hex(digest.prefix(5)))"
    }

    /// `<hostname>_<random>`: no process that ever was had it.
    package static func identity(hostname: String) -> String {
        "\(hostname)_\(hex((0..<8).map { _ in UInt8.random(in: 0...255) }))"
    }
}
