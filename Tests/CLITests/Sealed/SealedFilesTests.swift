import Foundation
import System
import TestSupport
import Testing

@testable import CLI

/// SealedSecrets among other things in files and folders.
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

    @Test func othersArePassedOver() throws {
        try folder.write("a.yaml", "\(other)---\n\(try text("strict"))\n---\n\(try text("whole"))\n")
        let items =
            "\(try text("strict")), {kind: SealedSecret, apiVersion: example.com/v1}, \(try text("second"))"
        try folder.write("list.yaml", "apiVersion: v1\nkind: List\nitems: [\(items)]\n")
        try folder.write("b.yaml", other)
        try folder.write("template.yaml", "{{ not yaml: [")
        let found = SealedSecretFiles(reading: [folder.path])
        #expect(found.documents.count == 4 && found.problems == [] && found.unreadable.count == 1)
    }

    /// Whether they hold SealedSecrets is not known.
    @Test func everyFileOfAFolderThatIsNotYAMLIsNamed() throws {
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
        #expect(found.documents.count == 1 && found.problems == [])
        #expect(found.unreadable.count == 4)
        for (problem, path) in zip(found.unreadable, files + [link]) {
            #expect(problem.description.contains(path), "\(problem)")
        }
    }

    @Test func aPathWithoutAnyIsAProblem() throws {
        try folder.write("a.yaml", try text("strict"))
        try folder.write("b.yaml", other)
        let found = SealedSecretFiles(reading: [
            folder.path("a.yaml"), folder.path("b.yaml"), folder.path("c.yaml"),
        ])
        #expect(found.documents.count == 1)
        #expect(
            found.problems.map(\.description) == [
                "cannot read \(folder.path("c.yaml")): No such file or directory",
                "\(folder.path("b.yaml")): no SealedSecret is in it; is it the right path?",
            ])
    }

    /// What cannot be read, and what cannot be opened, are reported in one run.
    @Test func anUnreadableNameDoesNotHideOtherProblems() async throws {
        let name = Array("\(folder.path)/bad-".utf8CString.dropLast()) + [-1] + Array(".yaml".utf8CString)
        let file = open(name, O_WRONLY | O_CREAT, 0o600)
        try #require(file >= 0)
        close(file)
        var moved = try vectors.manifest("strict")
        moved[["metadata", "name"]] = "other"
        try folder.write("a.yaml", moved.data())
        let found = SealedSecretFiles(reading: [folder.path])
        let result = await SealedSecretImport(
            sealingKeys: try vectors.sealingKeys("pkcs1"), keys: try FakeKeyManager().keyRing, scope: nil,
            namespace: nil
        ).wrap(found.documents, beside: found.problems)
        let messages = result.problems.map(\.description)
        #expect(result.outputs.isEmpty && messages.count == 2, "\(messages)")
        #expect(messages.contains { $0.contains("not UTF-8") })
        #expect(messages.contains { $0.contains("the key does not open") })
    }

    @Test func allThatIsWrongIsTold() throws {
        var odd = try vectors.manifest("strict")
        odd[["metadata", "name"]] = .null
        let bad = String(decoding: try odd.data(), as: UTF8.self)
        try folder.write("a.yaml", "\(bad)\n---\n\(try text("strict"))\n---\n\(bad)\n")
        try folder.write("b.yaml", "kind: SealedSecret\nx: [\n")
        let found = SealedSecretFiles(reading: [folder.path])
        #expect(found.documents.count == 1 && found.problems.count == 2 && found.unreadable.count == 1)
        #expect(found.problems.allSatisfy { !$0.description.contains("no SealedSecret") })
    }

    @Test func aFileOfAFolderThatIsNotYAMLDoesNotStopTheOthers() throws {
        try folder.write("a.yaml", try text("strict"))
        let bad = try folder.write("b.yaml", "kind: SealedSecret\nmetadata: {name: {{ .Release.Name }}}\n")
        let found = SealedSecretFiles(reading: [folder.path])
        #expect(found.documents.count == 1)
        #expect(found.problems == [])
        #expect(found.unreadable.count == 1)
        #expect(
            found.unreadable.first?.description.hasPrefix("\(bad):2:1: {{ }} makes this a template") == true)
        // One that is named is meant.
        #expect(SealedSecretFiles(reading: [bad]).problems.count == 1)
    }
}
