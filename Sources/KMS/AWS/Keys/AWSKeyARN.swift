/// The ARN of a KMS key: `arn:aws:kms:eu-west-1:111122223333:key/<id>`. A row's text goes to KMS only when it has
/// this form, and belongs to the configured account and Region.
struct AWSKeyARN: Sendable, Hashable {
    let partition: String
    let region: AWSRegion
    /// Twelve digits.
    let account: String
    /// A UUID, or `mrk-` and 32 hexadecimal digits; in lower case.
    let id: String

    init(partition: String, region: AWSRegion, account: String, id: String) {
        self.partition = partition
        self.region = region
        self.account = account
        self.id = id
    }

    /// nil: not such an ARN.
    init?(_ text: String) {
        guard let name = AWSKMSResourceARN(text), let id = name.resource(of: "key"), Self.isValidID(id) else {
            return nil
        }
        self.init(partition: name.partition, region: name.region, account: name.account, id: id)
    }

    var text: String { "arn:\(partition):kms:\(region):\(account):key/\(id)" }

    /// Of a multi-Region key: replicas in other Regions have the same id and open the same ciphertexts.
    var isMultiRegion: Bool { id.hasPrefix("mrk-") }

    /// The replica there.
    func replica(in region: AWSRegion) -> AWSKeyARN {
        AWSKeyARN(partition: partition, region: region, account: account, id: id)
    }

    /// Of a-z 0-9 -: KMS writes ids in one way, so that they can be compared.
    static func isValidID(_ text: some StringProtocol) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}

/// `arn:<partition>:kms:<region>:<account>:<resource>`, of which the parts were checked.
struct AWSKMSResourceARN: Sendable, Hashable {
    let partition: String
    let region: AWSRegion
    let account: String
    private let resource: String

    /// nil: not the name of something in KMS.
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

    /// What follows `<kind>/`; nil: of another kind.
    func resource(of kind: String) -> String? {
        let prefix = Array("\(kind)/".utf8)
        guard resource.utf8.starts(with: prefix) else { return nil }
        return String(decoding: resource.utf8.dropFirst(prefix.count), as: UTF8.self)
    }

    static func isAccountID(_ text: some StringProtocol) -> Bool {
        text.utf8.count == 12 && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}
