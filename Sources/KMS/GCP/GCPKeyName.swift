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
        guard parts.count == 8, parts[0] == "projects", parts[2] == "locations", parts[4] == "keyRings",
            parts[6] == "cryptoKeys", Self.isProject(parts[1]), Self.isName(parts[3]), Self.isName(parts[5]),
            Self.isName(parts[7])
        else { return nil }
        self.text = text
    }

    /// The id in recipients.
    var keyID: String { "gcp-kms:\(text)" }

    /// Returns the number of a version of this key from its resource name, or nil if the name is of something else.
    func versionNumber(_ name: String) -> String? {
        let prefix = "\(text)/cryptoKeyVersions/"
        guard name.utf8.starts(with: prefix.utf8) else { return nil }
        let number = name.utf8.dropFirst(prefix.utf8.count)
        guard (1...9).contains(number.count),
            number.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 })
        else { return nil }
        return String(number)
    }

    /// Returns true for the id or number of a project. An old id can begin with a domain: `example.com:my-project`.
    static func isProject(_ text: some StringProtocol) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0
                    || "-.:".utf8.contains($0)
            } && text.first != "." && text.first != ":" && text.last != ":"
    }

    private static func isName(_ text: Substring) -> Bool {
        (1...63).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0
                    || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || "-_".utf8.contains($0)
            }
    }
}
