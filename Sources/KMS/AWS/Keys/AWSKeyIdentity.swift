/// What is known of the configured key, and which rows are its to unwrap (docs/adr/0005). Pure.
///
/// Settings may name an alias, and an alias may be moved to another key. What stays is the account and the Region:
/// a row of theirs is ours, whichever key of theirs it names, since policies say which keys may be used. An alias
/// or a bare key id means the caller's own account, which is not known at first: until it is, a row is accepted as
/// far as can be told, and looked at again before anything is sent.
struct AWSKeyIdentity: Sendable {
    let reference: AWSKeyReference
    /// Where requests go.
    let region: AWSRegion
    private(set) var account: String?
    /// The key behind the reference, as KMS last said it.
    private(set) var key: AWSKeyARN?
    /// Whether all was asked that can tell more.
    private(set) var isResolved: Bool

    init(_ reference: AWSKeyReference, region: AWSRegion) {
        self.reference = reference
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

    /// The key's ARN; while that is not known, what the settings call it.
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

    /// Whether the row's key is ours to unwrap with; as far as `isCertain` goes.
    func accepts(_ row: AWSKeyARN) -> Bool {
        guard row.partition == region.partition.name else { return false }
        if let account, row.account != account { return false }
        if row.region == region { return true }
        // A replica of our own key, wherever it wrapped.
        guard row.isMultiRegion else { return false }
        guard let knownID else { return !isResolved }
        return row.id == knownID
    }

    /// Whether nothing that is still to be learned can change what `accepts` says.
    func isCertain(about row: AWSKeyARN) -> Bool {
        isResolved || (account != nil && (row.region == region || knownID != nil))
    }

    /// The key as it is named to KMS, in the configured Region; nil: not ours.
    func sourceKey(of keyID: String) -> AWSKeyARN? {
        AWSKeyARN(keyID).flatMap { accepts($0) ? $0.replica(in: region) : nil }
    }

    /// Whether KMS may have meant this key by the reference.
    func canResolve(_ arn: AWSKeyARN) -> Bool {
        guard arn.region == region, arn.partition == region.partition.name else { return false }
        switch reference {
        case .keyARN(let own): return arn == own
        case .keyID(let id): return arn.id == id
        case .aliasARN(let name, _): return arn.account == name.account
        case .alias: return true
        }
    }

    /// KMS named the key behind the reference.
    mutating func recordResolvedKey(_ arn: AWSKeyARN) {
        key = arn
        account = arn.account
        isResolved = true
    }

    /// Whose account the credentials are of. Only tells more where the reference leaves the account open.
    mutating func recordCallerAccount(account caller: String) {
        if account == nil { account = caller }
        if case .keyID(let id) = reference, let account {
            key = AWSKeyARN(partition: region.partition.name, region: region, account: account, id: id)
        }
        isResolved = true
    }

    private var knownID: String? {
        if case .keyID(let id) = reference { id } else { key?.id }
    }
}
