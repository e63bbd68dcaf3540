/// What settings call a key. All four forms are what KMS takes as a `KeyId`.
enum AWSKeyReference: Sendable, Hashable {
    case keyARN(AWSKeyARN)
    /// In the caller's own account and Region.
    case keyID(String)
    case aliasARN(AWSKMSResourceARN, alias: String)
    /// With `alias/`, in the caller's own account and Region.
    case alias(String)

    /// nil: none of the forms.
    init?(_ text: String) {
        if let arn = AWSKeyARN(text) {
            self = .keyARN(arn)
        } else if let name = AWSKMSResourceARN(text), let alias = name.resource(of: "alias"),
            Self.isAlias(alias)
        {
            self = .aliasARN(name, alias: alias)
        } else if text.hasPrefix("alias/"), Self.isAlias(text.dropFirst("alias/".count)) {
            self = .alias(text)
        } else if Self.isKeyID(text) {
            self = .keyID(text)
        } else {
            return nil
        }
    }

    /// As KMS is told.
    var text: String {
        switch self {
        case .keyARN(let arn): arn.text
        case .keyID(let id): id
        case .aliasARN(let name, let alias):
            "arn:\(name.partition):kms:\(name.region):\(name.account):alias/\(alias)"
        case .alias(let alias): alias
        }
    }

    var region: AWSRegion? {
        switch self {
        case .keyARN(let arn): arn.region
        case .aliasARN(let name, _): name.region
        case .keyID, .alias: nil
        }
    }

    var partition: String? {
        switch self {
        case .keyARN(let arn): arn.partition
        case .aliasARN(let name, _): name.partition
        case .keyID, .alias: nil
        }
    }

    /// A-Z a-z 0-9 - _ /
    private static func isAlias(_ text: some StringProtocol) -> Bool {
        (1...250).contains(text.utf8.count)
            && text.lowercased().split { $0 == "_" || $0 == "/" }.allSatisfy { AWSKeyARN.isValidID($0) }
            && text.utf8.allSatisfy { $0 < 0x80 }
    }

    /// A UUID, or `mrk-` and 32 hexadecimal digits: so that an alias without its `alias/` is told apart.
    private static func isKeyID(_ text: String) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard
            parts.allSatisfy({
                $0.utf8.allSatisfy { Unicode.Scalar($0).properties.isASCIIHexDigit } || $0 == "mrk"
            })
        else { return false }
        let lengths = parts.map(\.utf8.count)
        return lengths == [8, 4, 4, 4, 12] || (parts.first == "mrk" && lengths == [3, 32])
    }
}
