import Foundation
import TestSupport
import Testing

@testable import KMS

/// The policies in manifests/aws: no wider than their names say.
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
    func ofKeys(name: String, actions: [String], pinsNamespace: Bool) throws {
        let statements = try statements(name)
        #expect(statements.compactMap { $0["Action"]?.string } == actions)
        for statement in statements {
            #expect(statement["Effect"] == "Allow")
            // An exact key, and conditions that are false without a context.
            #expect(statement["Resource"]?.string.flatMap { AWSKeyARN($0) } != nil)
            let condition = try #require(statement["Condition"]?.fields)
            #expect(Array(condition.keys) == ["StringEquals"])
            let pinned = Set(condition["StringEquals"]?.fields?.keys.map { $0 } ?? [])
            // The names that are really sent.
            let sent = AWSEncryptionContext.entries(sampleBinding).map { "kms:EncryptionContext:\($0.name)" }
            #expect(pinned == Set(sent.prefix(pinsNamespace ? 2 : 1)))
        }
    }

    @Test(arguments: ["trust-irsa", "trust-pod-identity"])
    func ofRoles(name: String) throws {
        for statement in try statements(name) {
            #expect(Array(statement["Condition"]?.fields?.keys.map { $0 } ?? []) == ["StringEquals"])
            #expect(statement["Condition"]?["StringEquals"]?.fields?.count == 2)
        }
    }

    @Test func thereAreNoOthers() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
        #expect(
            files.sorted() == [
                "controller.json", "developer.json", "rotator.json", "second-recipient.json",
                "trust-irsa.json",
                "trust-pod-identity.json",
            ])
    }
}
