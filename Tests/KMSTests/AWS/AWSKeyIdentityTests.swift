import Testing

@testable import KMS

/// The recipients that a key accepts, for each form of key id and state of resolution.
struct AWSKeyIdentityTests {
    private static let id = "1234abcd-12ab-34cd-56ef-1234567890ab"
    private static let mrk = "mrk-1234abcd12ab34cd56ef1234567890ab"
    private static let otherMRK = "mrk-00000000000000000000000000000000"

    private static func arn(
        _ id: String = id, region: String = "eu-west-1", account: String = "111122223333",
        partition: String = "aws"
    ) -> String {
        "arn:\(partition):kms:\(region):\(account):key/\(id)"
    }

    private func identity(_ key: String) throws -> AWSKeyIdentity {
        AWSKeyIdentity(try #require(AWSKeyReference(key)), region: try #require(AWSRegion("eu-west-1")))
    }

    private func accepts(_ identity: AWSKeyIdentity, _ keyID: String) -> Bool {
        identity.sourceKey(of: keyID) != nil
    }

    @Test func aKeyARNIsResolvedFromTheStart() throws {
        let identity = try identity(Self.arn())
        #expect(identity.isResolved)
        #expect(identity.keyID == Self.arn())
        #expect(accepts(identity, Self.arn()))
        // The alias may have pointed to another key of the account.
        #expect(accepts(identity, Self.arn("00000000-12ab-34cd-56ef-1234567890ab")))
        #expect(!accepts(identity, Self.arn(account: "999999999999")))
        #expect(!accepts(identity, Self.arn(region: "us-east-1")))
        #expect(!accepts(identity, Self.arn(partition: "aws-cn")))
        #expect(!accepts(identity, Self.arn(Self.mrk, region: "us-east-1")))
    }

    /// The namespaces of a provider may use its key alone, and not another key of the account.
    @Test func aProviderAcceptsItsKeyAndTheReplicasOfIt() throws {
        let region = try #require(AWSRegion("eu-west-1"))
        func exact(_ key: String) throws -> AWSKeyIdentity {
            AWSKeyIdentity(try #require(AWSKeyReference(key)), region: region, isExact: true)
        }
        let other = Self.arn("00000000-12ab-34cd-56ef-1234567890ab")
        for key in [Self.arn(), Self.id] {
            let identity = try exact(key)
            #expect(accepts(identity, Self.arn()))
            #expect(!accepts(identity, other))
        }
        let multiRegion = try exact(Self.arn(Self.mrk))
        #expect(accepts(multiRegion, Self.arn(Self.mrk, region: "us-east-1")))
        #expect(!accepts(multiRegion, Self.arn(Self.otherMRK)))
        // An alias can have pointed to any key of the account.
        #expect(accepts(try exact("alias/sb-wrap"), other))
    }

    /// No other text may become part of a host, path or key name.
    @Test(arguments: [
        "", "alias/sb-wrap", id, "arn:aws:kms:eu-west-1:111122223333:alias/sb-wrap",
        "arn:aws:kms:eu-west-1:111122223333:key/", "arn:aws:kms:eu-west-1:111122223333:key/a/b",
        "arn:aws:kms:eu-west-1:111122223333:key/a b", "arn:aws:kms:eu-west-1:111122223333:key/a:b",
        "arn:aws:kms:eu-west-1:11112222333:key/\(id)", "arn:aws:kms:eu-west-1:1111222233３3:key/\(id)",
        "arn:aws:kms:eu-west-1.evil.com:111122223333:key/\(id)",
        "arn:aws:sts:eu-west-1:111122223333:key/\(id)",
        "ARN:aws:kms:eu-west-1:111122223333:key/\(id)", "arn:aws:kms::111122223333:key/\(id)",
        "arn:aws:kms:eu-west-1:111122223333:key/\(id.uppercased())",
        "vault-transit:transit/sb-wrap", "arn:aws:kms:eu-west-1:111122223333:key/\(id)\n",
    ])
    func acceptsOnlyARNsOfKeys(keyID: String) throws {
        #expect(!accepts(try identity(Self.arn()), keyID))
        #expect(!accepts(try identity("alias/sb-wrap"), keyID))
    }

    @Test func aBareAliasIsResolvedByTheCallerAccount() throws {
        var identity = try identity("alias/sb-wrap")
        #expect(!identity.isResolved)
        #expect(identity.keyID == "arn:aws:kms:eu-west-1::alias/sb-wrap")
        let other = try #require(AWSKeyARN(Self.arn(account: "999999999999")))
        #expect(identity.accepts(other))
        #expect(!identity.isCertain(about: other))
        // Recipients that no account could make acceptable are rejected.
        #expect(!accepts(identity, Self.arn(region: "us-east-1")))
        #expect(!accepts(identity, Self.arn(partition: "aws-cn")))
        identity.recordCallerAccount("111122223333")
        #expect(identity.isCertain(about: other))
        #expect(!identity.accepts(other))
        #expect(accepts(identity, Self.arn()))
        #expect(identity.keyID == "arn:aws:kms:eu-west-1:111122223333:alias/sb-wrap")
        // The id of the multi-Region key is still unknown.
        #expect(!accepts(identity, Self.arn(Self.mrk, region: "us-east-1")))
        identity.recordResolvedKey(try #require(AWSKeyARN(Self.arn(Self.mrk))))
        #expect(identity.keyID == Self.arn(Self.mrk))
        #expect(accepts(identity, Self.arn(Self.mrk, region: "us-east-1")))
        #expect(accepts(identity, Self.arn()))
    }

    @Test func anAliasARNIsUncertainForReplicasOnly() throws {
        let identity = try identity("arn:aws:kms:eu-west-1:111122223333:alias/team/sb_wrap")
        let ours = try #require(AWSKeyARN(Self.arn()))
        #expect(identity.accepts(ours))
        #expect(identity.isCertain(about: ours))
        #expect(!accepts(identity, Self.arn(account: "999999999999")))
        let replica = try #require(AWSKeyARN(Self.arn(Self.mrk, region: "us-east-1")))
        #expect(identity.accepts(replica))
        #expect(!identity.isCertain(about: replica))
    }

    @Test func aKeyIDAndTheAccountGiveTheARN() throws {
        var identity = try identity(Self.id)
        #expect(identity.keyID == "arn:aws:kms:eu-west-1::key/\(Self.id)")
        identity.recordCallerAccount("111122223333")
        #expect(identity.keyID == Self.arn())
        #expect(!accepts(identity, Self.arn(account: "999999999999")))
    }

    /// Requests go to the configured Region, whose replica decrypts ciphertexts of the others.
    @Test(arguments: [mrk, arn(mrk)])
    func acceptsReplicasOfTheConfiguredKey(key: String) throws {
        var identity = try identity(key)
        identity.recordCallerAccount("111122223333")
        #expect(identity.sourceKey(of: Self.arn(Self.mrk, region: "us-east-1"))?.text == Self.arn(Self.mrk))
        #expect(!accepts(identity, Self.arn(Self.otherMRK, region: "us-east-1")))
        #expect(accepts(identity, Self.arn(Self.otherMRK)))
        #expect(!accepts(identity, Self.arn(Self.mrk, region: "us-east-1", account: "999999999999")))
        #expect(!accepts(identity, Self.arn(Self.mrk, region: "cn-north-1", partition: "aws-cn")))
        #expect(!accepts(identity, Self.arn(region: "us-east-1")))
    }

    @Test func resolvesOnlyToMatchingKeys() throws {
        let arn = try #require(AWSKeyARN(Self.arn()))
        let elsewhere = try #require(AWSKeyARN(Self.arn(region: "us-east-1")))
        let foreign = try #require(AWSKeyARN(Self.arn(account: "999999999999")))
        let other = try #require(AWSKeyARN(Self.arn(Self.mrk)))
        for (key, allowed) in [
            (Self.arn(), [arn]), (Self.id, [arn, foreign]),
            ("arn:aws:kms:eu-west-1:111122223333:alias/a", [arn, other]), ("alias/a", [arn, other, foreign]),
        ] {
            let identity = try identity(key)
            #expect(
                [arn, elsewhere, foreign, other].filter { identity.canResolve(to: $0) }
                    == [arn, foreign, other].filter { allowed.contains($0) })
        }
    }

    @Test(arguments: [
        ("alias/sb-wrap", true), ("alias/a/b_c-D9", true), ("alias/Team_A", true), ("alias/a//b", true),
        (id, true), (mrk, true), (arn(), true),
        (arn(mrk), true),
        ("arn:aws:kms:eu-west-1:111122223333:alias/a", true), ("sb-wrap", false), ("alias/", false),
        ("alias/a b", false), ("alias/ä", false), ("mrk-1234", false), ("1234abcd", false), ("", false),
        ("arn:aws:kms:eu-west-1:111122223333:grant/a", false), ("arn:aws:iam::111122223333:role/a", false),
        ("mrk-\(id)", false),
    ])
    func parsesKeyReferences(text: String, isValid: Bool) {
        #expect((AWSKeyReference(text) != nil) == isValid)
        if isValid { #expect(AWSKeyReference(text)?.text == text) }
    }
}
