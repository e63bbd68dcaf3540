import Cryptography
import Foundation
import TestSupport
import Testing

@testable import KMS

/// The settings that botocore reads in shared configuration files (Tests/Vectors/aws-config).
struct AWSConfigVectorTests {
    struct Case: Decodable, CustomTestStringConvertible {
        let name: String
        let config: String
        let credentials: String
        let read: AnyJSON?
        var testDescription: String { name }
    }

    static let cases: [Case] = {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../../Vectors/aws-config/cases.json").standardizedFileURL
        return (try? JSONDecoder().decode([Case].self, from: Data(contentsOf: file))) ?? []
    }()

    @Test func readsAllVectors() { #expect(Self.cases.count == 64) }

    @Test(arguments: cases.filter { $0.read != nil })
    func readsLikeBotocore(test: Case) throws {
        let read = try #require(test.read)
        let profiles = try awsProfiles(test.config, test.credentials)
        for name in ["default", "a", "b", "c", "d", "e f", "g h", "a b", "c d", "[a]", "é", "profile a"] {
            let profile = try profiles.profile(name)
            #expect(profile.map(json) == read["profiles"]?[name], "profile \(name)")
            let session = try profiles.ssoSession(name)
            #expect(session.map(json) == read["sessions"]?[name], "session \(name)")
        }
        let services = try profiles.services("s").map {
            AnyJSON.object($0.mapValues { .object($0.mapValues { .string($0) }) })
        }
        #expect(services == read["services"]?["s"])
    }

    /// botocore rejects these files as a whole; here, only the profile with the invalid line is rejected.
    @Test(arguments: [
        ("a line without = below a key", "config:3: expected key = value below s3"),
        ("a line with a colon alone below a key", "config:3: expected key = value below s3"),
        (
            "a setting before the first section",
            "config:1: the setting is before the first [section]; move it into a section"
        ),
        ("a line that is nothing", "config:2: expected [section] or key = value"),
        ("a secret without its delimiter", "credentials:3: expected [section] or key = value"),
        ("a value without a key", "config:2: expected [section] or key = value"),
        ("an open bracket", "config:1: the section has no ]"),
    ])
    func rejectsWhatBotocoreRejects(name: String, message: String) throws {
        let test = try #require(Self.cases.first { $0.name == name })
        #expect(test.read == nil)
        #expect(throws: AWSCredentialsError(.misconfigured, message)) {
            try awsProfiles(test.config, test.credentials)
        }
    }

    @Test(arguments: [
        ("a section twice", "a", ["region": "1", "output": "2"]), ("a key twice", "default", ["region": "2"]),
        ("a fault in another profile", "default", ["region": "a"]),
    ])
    func acceptsMoreThanBotocore(name: String, profile: String, settings: [String: String]) throws {
        let test = try #require(Self.cases.first { $0.name == name })
        #expect(test.read == nil)
        #expect(try awsProfiles(test.config, test.credentials).profile(profile)?.settings == settings)
    }

    private func json(_ profile: AWSProfile) -> AnyJSON {
        var object = profile.settings.mapValues { AnyJSON.string($0) }
        object.merge(profile.secrets.mapValues { .string($0.text) }) { $1 }
        object.merge(profile.nested.mapValues { .object($0.mapValues { .string($0) }) }) { $1 }
        return .object(object)
    }
}

func awsProfiles(
    _ config: String, _ credentials: String = "", selected: String? = nil
) throws(AWSCredentialsError) -> AWSProfiles {
    func file(_ text: String, _ path: String) throws(AWSCredentialsError) -> AWSConfigFile {
        try AWSConfigFile(path: path, content: SecretBytes(copying: Array(text.utf8)))
    }
    return try AWSProfiles(
        config: file(config, "config"), credentials: file(credentials, "credentials"), selected: selected)
}
