/// The validated resource name of a key: `projects/P/locations/L/keyRings/R/cryptoKeys/K`. It is put into URLs and key ids
/// unescaped.
///
/// Source: Cloud KMS documentation, "Cloud KMS resources".
struct GCPKeyName: Sendable, Equatable {
    let text: String

    static let example = "projects/my-project/locations/europe-west1/keyRings/my-ring/cryptoKeys/sb-wrap"

    /// Returns nil if `text` is not the name of a key.
    init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        // Compares bytes: a Kelvin sign (U+212A) is a K to the comparison of strings.
        guard parts.count == 8, Self.isWord(parts[0], "projects"), Self.isWord(parts[2], "locations"),
            Self.isWord(parts[4], "keyRings"), Self.isWord(parts[6], "cryptoKeys"), Self.isProject(parts[1]),
            Self.isName(parts[3]), Self.isName(parts[5]), Self.isName(parts[7])
        else { return nil }
        self.text = text
    }

    /// The id in recipients.
    var keyID: String { "gcp-kms:\(text)" }

    /// Returns the number of a version of this key from its resource name, or nil if the name is of something else.
    func versionNumber(_ name: String) -> String? {
        let prefix = "\(text)/cryptoKeyVersions/"
        guard name.utf8.starts(with: prefix.utf8) else { return nil }
        let number = String(decoding: name.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
        return Self.isVersionNumber(number) ? number : nil
    }

    /// Returns true for the number of a version: from 1, without leading zeros, so that a version has one id.
    static func isVersionNumber(_ text: some StringProtocol) -> Bool {
        (1...9).contains(text.utf8.count) && text.utf8.first != UInt8(ascii: "0")
            && text.utf8.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
    }

    /// Returns true for the id or number of a project. An old id can begin with a domain: `example.com:my-project`.
    static func isProject(_ text: some StringProtocol) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0
                    || "-.:".utf8.contains($0)
            } && text.first != "." && text.first != ":" && text.last != ":"
    }

    private static func isWord(_ text: Substring, _ word: String) -> Bool {
        text.utf8.elementsEqual(word.utf8)
    }

    private static func isName(_ text: Substring) -> Bool {
        (1...63).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0
                    || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || "-_".utf8.contains($0)
            }
    }
}

/// The validated resource name of a version of an asymmetric key: `<key>/cryptoKeyVersions/N`. Unlike a symmetric key, whose
/// ciphertexts name their version, an asymmetric one has no primary version, and requests name the one to use.
struct GCPKeyVersionName: Sendable, Equatable {
    let key: GCPKeyName
    let number: String

    private static let separator = "/cryptoKeyVersions/"

    init(key: GCPKeyName, number: String) {
        self.key = key
        self.number = number
    }

    /// Returns nil if `text` is not the name of a version.
    init?(_ text: String) {
        guard let range = text.firstRange(of: Self.separator),
            let key = GCPKeyName(String(text[..<range.lowerBound])), let number = key.versionNumber(text)
        else { return nil }
        self.init(key: key, number: number)
    }

    var text: String { "\(key.text)\(Self.separator)\(number)" }

    /// The id in recipients.
    var keyID: String { "\(key.keyID)\(Self.separator)\(number)" }

    /// Returns the version of the same key in a key id, or nil for any other text.
    func version(inKeyID keyID: String) -> GCPKeyVersionName? {
        let prefix = "\(key.keyID)\(Self.separator)"
        guard keyID.utf8.starts(with: prefix.utf8) else { return nil }
        let number = String(decoding: keyID.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
        return GCPKeyName.isVersionNumber(number) ? GCPKeyVersionName(key: key, number: number) : nil
    }
}

/// The key of the settings: a symmetric key by its name, or an asymmetric one by the name of a version.
enum GCPKeySetting: Sendable, Equatable {
    case symmetric(GCPKeyName)
    case asymmetric(GCPKeyVersionName)

    /// Returns nil if `text` is neither.
    init?(_ text: String) {
        if let version = GCPKeyVersionName(text) {
            self = .asymmetric(version)
        } else if let key = GCPKeyName(text) {
            self = .symmetric(key)
        } else {
            return nil
        }
    }

    var key: GCPKeyName {
        switch self {
        case .symmetric(let key): key
        case .asymmetric(let version): version.key
        }
    }
}
