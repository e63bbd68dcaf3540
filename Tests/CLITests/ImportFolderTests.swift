import Foundation
import JSON
import System
import TestSupport
import Testing
import YAML

@testable import CLI

/// Writes the files of imported Secrets: either all of them or none.
struct ImportFolderTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func secret(_ namespace: String?, _ name: String) throws -> ImportedSecret {
        try ImportedSecret(
            namespace: namespace, name: name, source: "s.yaml", manifest: ["name": .string(name)], notes: [])
    }

    /// The files and links below the folder.
    private var files: [String] {
        let all = FileManager.default.enumerator(atPath: folder.path)?.allObjects as? [String] ?? []
        return all.filter {
            var isFolder: ObjCBool = false
            return !FileManager.default.fileExists(atPath: folder.path($0), isDirectory: &isFolder)
                || !isFolder.boolValue
        }.sorted()
    }

    private func write(
        _ secrets: [ImportedSecret], in folder: String? = nil,
        _ policy: ImportFolder.ExistingFilePolicy = .fail
    ) -> ImportFolder.WriteResult {
        ImportFolder(folder ?? self.folder.path, existingFiles: policy).write(secrets)
    }

    @Test func writesEachFileToTheFolderOfItsNamespace() throws {
        let result = write(
            [try secret("a", "x"), try secret("b", "x"), try secret(nil, "y")], in: folder.path("new/"))
        #expect(result.written == ["a/x.yaml", "b/x.yaml", "y.yaml"].map { folder.path("new/\($0)") })
        #expect(result.problems == [])
        #expect(result.skipped == [])
        #expect(files == ["new/a/x.yaml", "new/b/x.yaml", "new/y.yaml"])
        #expect(try folder.read("new/a/x.yaml") == NewManifest.schemaLine + "name: x\n")
    }

    @Test func reportsOrSkipsAnExistingFile() throws {
        _ = write([try secret("a", "x"), try secret("b", "y")])
        let secrets = [try secret("c", "z"), try secret("a", "x"), try secret("b", "y")]
        let refused = write(secrets)
        #expect(refused.written == [])
        #expect(refused.problems.count == 2)
        #expect(
            refused.problems.first?.description.hasPrefix("\(folder.path("a/x.yaml")) already exists")
                == true)
        #expect(files == ["a/x.yaml", "b/y.yaml"])
        let skipping = write(secrets, .skip)
        #expect(skipping.written == [folder.path("c/z.yaml")])
        #expect(skipping.problems == [])
        #expect(skipping.skipped == [folder.path("a/x.yaml"), folder.path("b/y.yaml")])
    }

    @Test(arguments: [ImportFolder.ExistingFilePolicy.skip, .fail])
    func checksAllPathsBeforeItWrites(policy: ImportFolder.ExistingFilePolicy) throws {
        try FileManager.default.createDirectory(
            atPath: folder.path("b/folder.yaml"), withIntermediateDirectories: true)
        try folder.link("b/link.yaml", to: "nowhere")
        let result = write(
            [try secret("a", "x"), try secret("b", "folder"), try secret("b", "link")], policy)
        #expect(result.written == [])
        #expect(result.skipped == [])
        #expect(
            result.problems.map(\.description) == [
                "\(folder.path("b/folder.yaml")) is a folder, and a file is to be created there; remove it",
                "\(folder.path("b/link.yaml")) is a symbolic link whose target does not exist, and a file is to be created there; remove it",
            ])
        #expect(files == ["b/link.yaml"])
    }

    @Test func createsAllFoldersBeforeTheFirstFile() throws {
        try folder.write("b", "x")
        try folder.link("c", to: "nowhere")
        let result = write([
            try secret("a", "x"), try secret("b", "x"), try secret("b", "y"), try secret("c", "x"),
        ])
        #expect(
            result.problems.map(\.description) == [
                "cannot create the folder \(folder.path("b")): \(folder.path("b")) is a file",
                "cannot create the folder \(folder.path("c")): \(folder.path("c")) is a symbolic link whose target does not exist",
            ])
        #expect(result.written == [])
        #expect(files == ["b", "c"])
    }

    @Test func removesWrittenFilesAfterAnError() throws {
        // The name is too long for a file, which is found when the file is created.
        let result = write([try secret("a", "x"), try secret("a", String(repeating: "n", count: 252))])
        #expect(result.written == [])
        #expect(result.problems.count == 1)
        #expect(result.problems.first?.description.contains("File name too long") == true)
        #expect(files == [])
    }

    @Test func refusesTwoSecretsOfOneName() throws {
        let result = write([try secret("a", "x"), try secret("a", "x")])
        #expect(result.problems.count == 1)
        #expect(result.written == [])
        #expect(files == [])
    }

    @Test(arguments: [
        ("../../x", "x"), ("a", "../../x"), ("a", ".."), ("a", "."), ("a", ""), ("", "x"), ("a/b", "x"),
        ("a", "x/y"), ("A", "x"), ("a", "x\n"), ("a", "x; rm -rf /"), ("a.b", "x"), ("a", "/etc/x"),
    ])
    func refusesANameThatKubernetesDoesNotAllow(namespace: String, name: String) {
        #expect(throws: InputError.self) { try secret(namespace, name) }
    }

    /// The committer of a link beside the files would choose where one is written.
    @Test(arguments: [ImportFolder.ExistingFilePolicy.skip, .fail])
    func refusesASymbolicLinkAsTheFolderOfANamespace(policy: ImportFolder.ExistingFilePolicy) throws {
        let outside = try TemporaryFolder()
        try folder.link("b", to: outside.path)
        let result = write([try secret("a", "x"), try secret("b", "x")], policy)
        #expect(result.written == [])
        #expect(result.problems.count == 1)
        #expect(result.problems.first?.description.contains("is a symbolic link") == true)
        #expect(try outside.names == [])
        #expect(files == [])
    }

    @Test func acceptsASymbolicLinkAsTheFolder() throws {
        let target = try TemporaryFolder()
        try folder.link("link", to: target.path)
        #expect(write([try secret("a", "x")], in: folder.path("link")).problems == [])
        #expect(try target.read("a/x.yaml") == NewManifest.schemaLine + "name: x\n")
    }
}
