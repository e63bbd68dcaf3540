/// The account, the Region and, if it is known, the ARN of the configured key. They decide which recipients it accepts
/// (docs/adr/0005).
///
/// An alias can be moved to another key; its account and Region stay. So all keys of that account and Region are accepted,
/// and policies decide which of them may be used. An alias or a bare key id belongs to the caller's account, which is
/// unknown at first. Until it is known, recipients are accepted provisionally, and checked again before a request is sent.
struct AWSKeyIdentity: Sendable {
    let reference: AWSKeyReference
    let region: AWSRegion
    /// True to accept only the configured key and its replicas, if it is not an alias. A provider's namespaces may use that
    /// key alone, while the controller's own settings accept earlier keys of the account.
    let isExact: Bool
    private(set) var account: String?
    /// The key behind the reference in the last response of KMS.
    private(set) var key: AWSKeyARN?
    /// True if no further request can add information.
    private(set) var isResolved: Bool

    init(_ reference: AWSKeyReference, region: AWSRegion, isExact: Bool = false) {
        self.reference = reference
        self.isExact = isExact
        self.region = region
        switch reference {
        case .keyARN(let arn):
            key = arn
            account = arn.account
        case .aliasARN(let name, _): account = name.account
        case .keyID, .alias: break
        }
        isResolved = key != nil
    }

    /// The key's ARN. While it is unknown, the ARN of the reference, with the account if that is known.
    var keyID: String {
        if let key { return key.text }
        if case .alias(let alias) = reference {
            return "arn:\(region.partition.name):kms:\(region):\(account ?? ""):\(alias)"
        }
        if case .keyID(let id) = reference {
            return "arn:\(region.partition.name):kms:\(region):\(account ?? ""):key/\(id)"
        }
        return reference.text
    }

    /// Returns true if recipients of this key are accepted. The result is provisional unless `isCertain`.
    func accepts(_ arn: AWSKeyARN) -> Bool {
        guard arn.partition == region.partition.name else { return false }
        if let account, arn.account != account { return false }
        if isExact, let configuredID, arn.id != configuredID { return false }
        if arn.region == region { return true }
        // A replica of the configured key may have wrapped the data key in another Region.
        guard arn.isMultiRegion else { return false }
        guard let knownID else { return !isResolved }
        return arn.id == knownID
    }

    /// Returns true if resolving the configured key cannot change the result of `accepts`.
    func isCertain(about arn: AWSKeyARN) -> Bool {
        isResolved || (account != nil && (arn.region == region || knownID != nil))
    }

    /// Returns the key's ARN in the configured Region, or nil if its recipients are not accepted.
    func sourceKey(of keyID: String) -> AWSKeyARN? {
        AWSKeyARN(keyID).flatMap { accepts($0) ? $0.replica(in: region) : nil }
    }

    /// Returns true if the reference can stand for this key.
    func canResolve(to arn: AWSKeyARN) -> Bool {
        guard arn.region == region, arn.partition == region.partition.name else { return false }
        switch reference {
        case .keyARN(let configured): return arn == configured
        case .keyID(let id): return arn.id == id
        case .aliasARN(let name, _): return arn.account == name.account
        case .alias: return true
        }
    }

    /// Records the key that KMS used for the reference.
    mutating func recordResolvedKey(_ arn: AWSKeyARN) {
        key = arn
        account = arn.account
        isResolved = true
    }

    /// Records the account of the credentials, which is the key's account unless the reference is an ARN.
    mutating func recordCallerAccount(_ callerAccount: String) {
        if account == nil { account = callerAccount }
        if case .keyID(let id) = reference, let account {
            key = AWSKeyARN(partition: region.partition.name, region: region, account: account, id: id)
        }
        isResolved = true
    }

    /// The id of the configured key, unless it is an alias.
    private var configuredID: String? {
        switch reference {
        case .keyARN(let arn): arn.id
        case .keyID(let id): id
        case .aliasARN, .alias: nil
        }
    }

    private var knownID: String? {
        if case .keyID(let id) = reference { id } else { key?.id }
    }
}
