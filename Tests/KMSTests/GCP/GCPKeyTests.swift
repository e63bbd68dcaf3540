import Envelope
import Settings
import TestSupport
import Testing

@testable import KMS

struct CRC32CTests {
    /// Source: RFC 3720, appendix B.4, and the check value of the CRC catalogue.
    private static let iSCSIRead: [UInt8] =
        [0x01, 0xC0] + zeros(14) + [0x14, 0, 0, 0, 0, 0, 0x04, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18, 0x28]
        + zeros(7)
        + [0x02] + zeros(7)

    private static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

    private static let vectors: [(bytes: [UInt8], checksum: UInt32)] = [
        (zeros(32), 0x8A91_36AA), ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
        (Array(0...31), 0x46DD_794E), (Array((0...31).reversed()), 0x113F_DB5C), (iSCSIRead, 0xD996_3A56),
        (Array("123456789".utf8), 0xE306_9283), ([], 0),
    ]

    @Test(arguments: vectors)
    func matchesTheVectors(bytes: [UInt8], expected: UInt32) {
        #expect(CRC32C.checksum(bytes) == expected)
    }
}

struct GCPKeyNameTests {
    @Test(arguments: [
        gcpKey, "projects/123456/locations/global/keyRings/R_1/cryptoKeys/K-2",
        "projects/example.com:old/locations/us/keyRings/r/cryptoKeys/k",
    ])
    func acceptsResourceNames(text: String) {
        #expect(GCPKeyName(text)?.text == text)
        #expect(GCPKeyName(text)?.keyID == "gcp-kms:" + text)
    }

    @Test(arguments: [
        // A Kelvin sign is a K to the comparison of strings.
        "projects/p/locations/l/keyRings/r/crypto\u{212A}eys/k",
        "", "k", "projects/p/locations/l/keyRings/r/cryptoKeys/",
        "projects/p/locations/l/keyRings/r/cryptoKeys/k/",
        "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
        "/projects/p/locations/l/keyRings/r/cryptoKeys/k", "projects/../locations/l/keyRings/r/cryptoKeys/k",
        "projects/p/locations/l/keyRings/r/cryptoKeys/k:decrypt",
        "projects/p/locations/l/keyRings/r/cryptoKeys/k?x",
        "projects/P/locations/l/keyRings/r/cryptoKeys/k", "projects/p/locations/l/keyRings/r r/cryptoKeys/k",
        "projects/p/locations/l/keyRings/r/cryptoKeys/k\u{e9}",
        "folders/p/locations/l/keyRings/r/cryptoKeys/k",
        "projects/p/locations/l/keyRings/r/cryptoKeys/" + String(repeating: "k", count: 64),
    ])
    func rejectsOthers(text: String) {
        #expect(GCPKeyName(text) == nil)
    }

    @Test func readsTheNumberOfItsOwnVersionsOnly() throws {
        let key = try #require(GCPKeyName(gcpKey))
        #expect(key.versionNumber("\(gcpKey)/cryptoKeyVersions/12") == "12")
        #expect(key.versionNumber("\(gcpKey)2/cryptoKeyVersions/12") == nil)
        #expect(key.versionNumber("\(gcpKey)/cryptoKeyVersions/") == nil)
        #expect(key.versionNumber("\(gcpKey)/cryptoKeyVersions/1/x") == nil)
        #expect(key.versionNumber("\(gcpKey)/cryptoKeyVersions/-1") == nil)
        // A version has one id.
        #expect(key.versionNumber("\(gcpKey)/cryptoKeyVersions/0") == nil)
        #expect(key.versionNumber("\(gcpKey)/cryptoKeyVersions/007") == nil)
        #expect(key.versionNumber(gcpKey) == nil)
    }
}

struct GCPSettingsTests {
    private func settings(_ values: [String: String], credentials: [String: String]? = nil) throws
        -> GCPSettings
    {
        try GCPSettings.load(
            from: Environment(["SB_KMS_GCP_KEY": gcpKey].merging(values) { $1 }),
            credentials: credentials.map { Environment($0) })
    }

    @Test func hasGooglesAddressByDefault() throws {
        let settings = try settings([:])
        #expect(settings.address.url == "https://cloudkms.googleapis.com")
        #expect(settings.universe == .standard)
        #expect(settings.quotaProject == nil)
    }

    @Test func readsEverySetting() throws {
        let settings = try settings([
            "SB_KMS_GCP_ENDPOINT": " https://kms.p.googleapis.com/ ",
            "GOOGLE_CLOUD_QUOTA_PROJECT": "payer\n", "GOOGLE_CLOUD_UNIVERSE_DOMAIN": "Cloud.Example",
        ])
        #expect(settings.address.url == "https://kms.p.googleapis.com")
        #expect(settings.quotaProject == "payer")
        #expect(settings.universe.domain == "cloud.example")
    }

    @Test func takesTheUniverseOfTheCredentialFile() throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let file = try folder.write(
            "c.json", #"{"type":"service_account","universe_domain":"cloud.example"}"#)
        let credentials = ["GOOGLE_APPLICATION_CREDENTIALS": file]
        #expect(try settings([:], credentials: credentials).address.url == "https://cloudkms.cloud.example")
        // The variable wins, and a missing file is reported at its use.
        #expect(
            try settings(["GOOGLE_CLOUD_UNIVERSE_DOMAIN": "other.example"], credentials: credentials).universe
                .domain == "other.example")
        #expect(
            try settings([:], credentials: ["GOOGLE_APPLICATION_CREDENTIALS": "/nonexistent.json"]).universe
                == .standard)
    }

    @Test(arguments: [
        ("SB_KMS_GCP_KEY", "", "is not set"), ("SB_KMS_GCP_KEY", "sb-wrap", "is not the resource name"),
        ("SB_KMS_GCP_KEY", "\(gcpKey)/cryptoKeyVersions/x", "is not the resource name"),
        ("SB_KMS_GCP_ENDPOINT", "kms.example", "is not a URL"),
        ("SB_KMS_GCP_ENDPOINT", "http://kms.example", "plain http"),
        ("GOOGLE_CLOUD_QUOTA_PROJECT", "a/b", "not the id of a project"),
        ("GOOGLE_CLOUD_UNIVERSE_DOMAIN", "nodots", "is not a domain"),
        ("GOOGLE_CLOUD_UNIVERSE_DOMAIN", "evil.example/x", "is not a domain"),
    ])
    func rejectsInvalidSettings(variable: String, value: String, problem: String) {
        let error = #expect(throws: SettingError.self) { try settings([variable: value]) }
        #expect(error?.variable == variable)
        #expect(error?.problem.contains(problem) == true, "\(error?.problem ?? "")")
    }

    @Test func aKeyRingUsesTheEnvironment() throws {
        let ring = try KeyRing.load(
            from: Environment([
                "SB_KMS_BACKEND": "gcp-kms", "SB_KMS_GCP_KEY": gcpKey,
                "SB_KMS_GCP_ENDPOINT": "http://127.0.0.1:1",
            ]))
        #expect(ring.primary.keyID == "gcp-kms:\(gcpKey)")
        #expect(ring.others.isEmpty)
    }
}
