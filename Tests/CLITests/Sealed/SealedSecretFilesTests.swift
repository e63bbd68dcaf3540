import Foundation
import System
import TestSupport
import Testing

@testable import CLI

/// Reads SealedSecrets among other objects in files and folders.
@Suite struct SealedSecretFilesTests {
    private let vectors: SealedVectors
    private let folder: TemporaryFolder

    init() throws {
        vectors = try SealedVectors()
        folder = try TemporaryFolder()
    }

    private func text(_ name: String) throws -> String {
        String(decoding: try vectors.manifest(name).data(), as: UTF8.self)
    }

    private let other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: SealedSecret}\n"

    @Test func skipsObjectsOfOtherKinds() throws {
        try folder.write("a.yaml", "\(other)---\n\(try text("strict"))\n---\n\(try text("whole"))\n")
        let items =
            "\(try text("strict")), {kind: SealedSecret, apiVersion: example.com/v1}, \(try text("second"))"
        try folder.write("list.yaml", "apiVersion: v1\nkind: List\nitems: [\(items)]\n")
        try folder.write("b.yaml", other)
        try folder.write("template.yaml", "{{ not yaml: [")
        let found = SealedSecretFiles(reading: [folder.path])
        #expect(found.documents.count == 4)
        #expect(found.problems == [])
        #expect(found.unreadable.count == 1)
    }

    /// Unreadable files may contain SealedSecrets.
    @Test func reportsEveryUnreadableFileOfAFolder() throws {
        try folder.write("a.yaml", try text("strict"))
        let files = [
            try folder.write("b.yml", "x: [\n"), try folder.write("c.json", "{\n"),
            try folder.write(
                "d.yaml", [0xFF, 0xFE] + Array(try text("strict").utf16).flatMap { [UInt8($0), 0] }),
        ]
        try folder.write("e.txt", "x: [\n")
        let link = folder.path("z.yaml")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "nowhere.yaml")
        let found = SealedSecretFiles(reading: [folder.path])
        #expect(found.documents.count == 1)
        #expect(found.problems == [])
        #expect(found.unreadable.count == 4)
        for (problem, path) in zip(found.unreadable, files + [link]) {
            #expect(problem.description.contains(path), "\(problem)")
        }
    }

    @Test func reportsAPathWithoutSealedSecrets() throws {
        try folder.write("a.yaml", try text("strict"))
        try folder.write("b.yaml", other)
        let found = SealedSecretFiles(reading: [
            folder.path("a.yaml"), folder.path("b.yaml"), folder.path("c.yaml"),
        ])
        #expect(found.documents.count == 1)
        #expect(
            found.problems.map(\.description) == [
                "cannot read \(folder.path("c.yaml")): No such file or directory",
                "\(folder.path("b.yaml")): no SealedSecret found; is it the right path?",
            ])
    }

    /// One run reports unreadable files and values that cannot be opened.
    @Test func reportsOtherProblemsBesideAnUnreadableName() async throws {
        let name = Array("\(folder.path)/bad-".utf8CString.dropLast()) + [-1] + Array(".yaml".utf8CString)
        let file = open(name, O_WRONLY | O_CREAT, 0o600)
        try #require(file >= 0)
        close(file)
        var moved = try vectors.manifest("strict")
        moved[["metadata", "name"]] = "other"
        try folder.write("a.yaml", moved.data())
        let found = SealedSecretFiles(reading: [folder.path])
        let keys = try FakeKeyManager().keyRing
        let result = await SealedSecretImport(sealingKeys: try vectors.sealingKeys("pkcs1"), namespace: nil)
            .wrap(found.documents, beside: found.problems) {
                SecretWrapper(keys: keys, scope: $1, namespace: nil)
            }
        let messages = result.problems.map(\.description)
        #expect(result.outputs.isEmpty, "\(messages)")
        #expect(messages.count == 2, "\(messages)")
        #expect(messages.contains { $0.contains("not UTF-8") })
        #expect(messages.contains { $0.contains("the key does not open") })
    }

    @Test func reportsEveryMalformedSealedSecret() throws {
        var malformed = try vectors.manifest("strict")
        malformed[["metadata", "name"]] = .null
        let bad = String(decoding: try malformed.data(), as: UTF8.self)
        try folder.write("a.yaml", "\(bad)\n---\n\(try text("strict"))\n---\n\(bad)\n")
        try folder.write("b.yaml", "kind: SealedSecret\nx: [\n")
        let found = SealedSecretFiles(reading: [folder.path])
        #expect(found.documents.count == 1)
        #expect(found.problems.count == 2)
        #expect(found.unreadable.count == 1)
        #expect(found.problems.allSatisfy { !$0.description.contains("no SealedSecret") })
    }

    @Test func readsTheOtherFilesIfOneIsNotYAML() throws {
        try folder.write("a.yaml", try text("strict"))
        let bad = try folder.write("b.yaml", "kind: SealedSecret\nmetadata: {name: {{ .Release.Name }}}\n")
        let found = SealedSecretFiles(reading: [folder.path])
        #expect(found.documents.count == 1)
        #expect(found.problems == [])
        #expect(found.unreadable.count == 1)
        #expect(
            found.unreadable.first?.description.hasPrefix("\(bad):2:1: {{ }} makes this a template") == true)
        // A file that is given by its path must be readable.
        #expect(SealedSecretFiles(reading: [bad]).problems.count == 1)
    }
}
