import System

/// The configured key, in one of the four forms of a `KeyId` in KMS.
enum AWSKeyReference: Sendable, Hashable {
    case keyARN(AWSKeyARN)
    /// A key id in the caller's account and Region.
    case keyID(String)
    case aliasARN(AWSKMSResourceARN, alias: String)
    /// An alias with its prefix `alias/`, in the caller's account and Region.
    case alias(String)

    /// Returns nil if `text` has none of the forms.
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

    /// The `KeyId` of requests.
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

    /// Returns true for 1 to 250 of A-Z a-z 0-9 - _ /.
    private static func isAlias(_ text: some StringProtocol) -> Bool {
        (1...250).contains(text.utf8.count)
            && text.lowercased().split { $0 == "_" || $0 == "/" }.allSatisfy { AWSKeyARN.isValidID($0) }
            && text.utf8.allSatisfy { $0 < 0x80 }
    }

    /// Returns true for a UUID, or `mrk-` and 32 hexadecimal digits. An alias without its prefix does not match.
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

/// The ARN of a KMS key: `arn:aws:kms:eu-west-1:111122223333:key/<id>`. A recipient's key id is sent to KMS only in this
/// form, and only for the configured account and Region.
struct AWSKeyARN: Sendable, Hashable {
    let partition: String
    let region: AWSRegion
    /// Twelve digits.
    let account: String
    /// A UUID, or `mrk-` and 32 hexadecimal digits, in lower case.
    let id: String
}

extension AWSKeyARN {
    /// Returns nil if `text` is not the ARN of a KMS key.
    init?(_ text: String) {
        guard let name = AWSKMSResourceARN(text), let id = name.resource(of: "key"), Self.isValidID(id) else {
            return nil
        }
        self.init(partition: name.partition, region: name.region, account: name.account, id: id)
    }

    var text: String { "arn:\(partition):kms:\(region):\(account):key/\(id)" }

    /// True for a multi-Region key, whose replicas in other Regions have the same id and decrypt the same ciphertexts.
    var isMultiRegion: Bool { id.hasPrefix("mrk-") }

    /// Returns the ARN of the same key in another Region.
    func replica(in region: AWSRegion) -> AWSKeyARN {
        AWSKeyARN(partition: partition, region: region, account: account, id: id)
    }

    /// Returns true for 1 to 128 of a-z 0-9 -. Only lower case is accepted, as KMS writes it, so that ids can be compared.
    static func isValidID(_ text: some StringProtocol) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy { $0.isASCIILowercase || $0.isASCIIDigit || $0 == UInt8(ascii: "-") }
    }
}

/// The validated ARN of a resource in KMS: `arn:<partition>:kms:<region>:<account>:<resource>`.
struct AWSKMSResourceARN: Sendable, Hashable {
    let partition: String
    let region: AWSRegion
    let account: String
    private let resource: String

    /// Returns nil if `text` is not the ARN of a resource in KMS.
    init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 6, parts[0].utf8.elementsEqual("arn".utf8),
            parts[2].utf8.elementsEqual("kms".utf8), AWSRegion(parts[1]) != nil,
            let region = AWSRegion(parts[3]), Self.isAccountID(parts[4])
        else { return nil }
        partition = String(parts[1])
        self.region = region
        account = String(parts[4])
        resource = String(parts[5])
    }

    /// Returns the text after `<kind>/`, or nil for a resource of another kind.
    func resource(of kind: String) -> String? {
        let prefix = Array("\(kind)/".utf8)
        guard resource.utf8.starts(with: prefix) else { return nil }
        return String(decoding: resource.utf8.dropFirst(prefix.count), as: UTF8.self)
    }

    static func isAccountID(_ text: some StringProtocol) -> Bool {
        text.utf8.count == 12 && text.utf8.allSatisfy(\.isASCIIDigit)
    }
}
