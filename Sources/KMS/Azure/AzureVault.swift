/// A vault of Azure Key Vault or a managed HSM, by its validated address.
struct AzureVault: Sendable, Equatable {
    /// `https://payments.vault.azure.net`
    let address: ServerAddress
    /// True for Managed HSM, which has symmetric keys as well.
    let isManagedHSM: Bool

    /// Returns nil unless `text` is an https URL without a path.
    init?(_ text: String) {
        // Key ids contain the URL as Azure writes it: without the default port.
        guard let given = ServerAddress(text), !given.isPlainHTTP, given.pathPrefix.isEmpty,
            let address = given.origin.hasSuffix(":443")
                ? ServerAddress(String(given.origin.dropLast(":443".count))) : ServerAddress(given.origin)
        else { return nil }
        self.address = address
        isManagedHSM = Self.labels(address).dropFirst().first == "managedhsm"
    }

    /// Returns true if the vault is at a subdomain of this server: `https://vault.azure.net` for
    /// `https://payments.vault.azure.net`.
    func isBelow(_ parent: ServerAddress) -> Bool {
        !parent.isPlainHTTP && parent.pathPrefix.isEmpty && parent.origin.hasPrefix("https://")
            && address.origin.hasSuffix("." + parent.origin.dropFirst("https://".count))
    }

    var cloud: AzureCloud {
        let host = Self.labels(address).joined(separator: ".")
        if host.hasSuffix(".usgovcloudapi.net") { return .usGovernment }
        return host.hasSuffix(".azure.cn") ? .china : .global
    }

    private static func labels(_ address: ServerAddress) -> [Substring] {
        let authority = address.url.dropFirst("https://".count)
        return authority.prefix { $0 != ":" }.split(separator: ".", omittingEmptySubsequences: false)
    }
}

/// A cloud of Microsoft.
enum AzureCloud: Sendable, CaseIterable {
    case global, usGovernment, china

    /// The server of Microsoft Entra ID.
    var authority: String {
        switch self {
        case .global: "https://login.microsoftonline.com"
        case .usGovernment: "https://login.microsoftonline.us"
        case .china: "https://login.chinacloudapi.cn"
        }
    }
}

/// A key in a vault. Key ids of recipients are compared with it: requests go only to this vault and this key.
struct AzureKey: Sendable, Equatable {
    static let keyIDPrefix = "azure-key-vault:"

    let vault: AzureVault
    let name: String

    /// The key id without a version, which no recipient has.
    var keyID: String { "\(Self.keyIDPrefix)\(url)" }

    var url: String { "\(vault.address.url)/keys/\(name)" }

    func keyID(version: String) -> String { "\(keyID)/\(version)" }

    /// Returns the version in a key id of this key, or nil for any other text.
    func version(inKeyID keyID: String) -> String? {
        version(in: keyID, after: self.keyID, where: ==)
    }

    /// Returns the version in a `kid` of a response, or nil if it is that of another key. Azure compares the names of keys
    /// without regard to case.
    func version(inKid kid: String) -> String? {
        version(in: kid, after: url) { Self.lowercased($0) == Self.lowercased($1) }
    }

    private func version(
        in text: String, after prefix: String, where isEqual: (UInt8, UInt8) -> Bool
    ) -> String? {
        let prefix = prefix + "/"
        guard text.utf8.starts(with: prefix.utf8, by: isEqual) else { return nil }
        let version = String(decoding: text.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
        return Self.isVersion(version) ? version : nil
    }

    /// Returns true for 32 lower-case hexadecimal digits.
    static func isVersion(_ text: String) -> Bool {
        text.utf8.count == 32
            && text.utf8.allSatisfy {
                UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || UInt8(ascii: "a")...UInt8(ascii: "f") ~= $0
            }
    }

    /// Returns true for 1 to 127 of A-Z a-z 0-9 -.
    static func isName(_ text: String) -> Bool {
        (1...127).contains(text.utf8.count) && text.utf8.allSatisfy(AzureIdentifier.isAlphanumericOrHyphen)
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 {
        UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte ? byte | 0x20 : byte
    }
}

/// Validates names of Microsoft Entra ID that become part of URLs and forms.
enum AzureIdentifier {
    static func isAlphanumericOrHyphen(_ byte: UInt8) -> Bool {
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
            || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || byte == UInt8(ascii: "-")
    }

    /// Returns true for the id or a domain of a tenant.
    static func isTenant(_ text: some StringProtocol) -> Bool {
        URLPath.isSegment(text)
            && text.utf8.allSatisfy { isAlphanumericOrHyphen($0) || $0 == UInt8(ascii: ".") }
    }

    /// Returns true for the id of an application.
    static func isClientID(_ text: some StringProtocol) -> Bool {
        (1...128).contains(text.utf8.count) && text.utf8.allSatisfy(isAlphanumericOrHyphen)
    }

    /// Returns true for 32 hexadecimal digits in the form of a UUID.
    static func isUUID(_ text: some StringProtocol) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        return parts.map(\.utf8.count) == [8, 4, 4, 4, 12]
            && parts.allSatisfy { $0.unicodeScalars.allSatisfy(\.properties.isASCIIHexDigit) }
    }
}
