import Foundation
import TestSupport
import Testing

@testable import KMS

/// The policies in manifests/aws allow no more than their names say.
struct AWSPolicyFileTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../../manifests/aws").standardizedFileURL

    private func statements(_ name: String) throws -> [AnyJSON] {
        let data = try Data(contentsOf: Self.folder.appendingPathComponent("\(name).json"))
        let policy = try AnyJSON([UInt8](data))
        #expect(policy["Version"] == "2012-10-17")
        return try #require(policy["Statement"]?.items)
    }

    @Test(arguments: [
        ("controller", ["kms:Decrypt"], false), ("developer", ["kms:GenerateDataKey"], true),
        ("second-recipient", ["kms:Encrypt"], true),
        ("rotator", ["kms:ReEncryptFrom", "kms:ReEncryptTo"], true),
    ])
    func keyPoliciesAllowTheDocumentedActions(name: String, actions: [String], pinsNamespace: Bool) throws {
        let statements = try statements(name)
        #expect(statements.compactMap { $0["Action"]?.string } == actions)
        for statement in statements {
            #expect(statement["Effect"] == "Allow")
            // They name one key, and have conditions that are false without a context.
            #expect(statement["Resource"]?.string.flatMap { AWSKeyARN($0) } != nil)
            let condition = try #require(statement["Condition"]?.fields)
            #expect(Array(condition.keys) == ["StringEquals"])
            let pinned = Set(condition["StringEquals"]?.fields?.keys.map { $0 } ?? [])
            // The conditions use the names that are sent.
            let sent = AWSEncryptionContext.entries(sampleBinding).map { "kms:EncryptionContext:\($0.name)" }
            #expect(pinned == Set(sent.prefix(pinsNamespace ? 2 : 1)))
        }
    }

    /// A condition with a pattern, or none on the subject, would let others assume the role.
    @Test(arguments: ["trust-irsa", "trust-pod-identity", "trust-github", "trust-gitlab"])
    func trustPoliciesNameTheIdentity(name: String) throws {
        for statement in try statements(name) {
            #expect(Array(statement["Condition"]?.fields?.keys.map { $0 } ?? []) == ["StringEquals"])
            #expect(statement["Condition"]?["StringEquals"]?.fields?.count == 2)
        }
    }

    @Test func checksEveryPolicyFile() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
        #expect(
            files.sorted() == [
                "controller.json", "developer.json", "rotator.json", "second-recipient.json",
                "trust-github.json", "trust-gitlab.json", "trust-irsa.json",
                "trust-pod-identity.json",
            ])
    }
}
