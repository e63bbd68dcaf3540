import Foundation
import System
import TestSupport
import Testing
import YAML

@testable import CLI

/// The files of imported Secrets: all of them, or none.
struct ImportFolderTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func secret(_ namespace: String?, _ name: String) throws -> ImportedSecret {
        try ImportedSecret(
            namespace: namespace, name: name, source: "s.yaml", manifest: ["name": .string(name)], notes: [])
    }

    /// Everything in the folder that is no folder.
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
        _ presence: ImportFolder.ExistingFilePolicy = .fail
    ) -> ImportFolder.WriteResult {
        ImportFolder(folder ?? self.folder.path, whatIsThere: presence).write(secrets)
    }

    @Test func eachHasAFileInTheFolderOfItsNamespace() throws {
        let result = write(
            [try secret("a", "x"), try secret("b", "x"), try secret(nil, "y")], in: folder.path("new/"))
        #expect(result.written == ["a/x.yaml", "b/x.yaml", "y.yaml"].map { folder.path("new/\($0)") })
        #expect(result.problems == [] && result.skipped == [])
        #expect(files == ["new/a/x.yaml", "new/b/x.yaml", "new/y.yaml"])
        #expect(try folder.read("new/a/x.yaml") == "name: x\n")
    }

    @Test func whatIsThereIsAProblemOrLeft() throws {
        _ = write([try secret("a", "x"), try secret("b", "y")])
        let secrets = [try secret("c", "z"), try secret("a", "x"), try secret("b", "y")]
        let refused = write(secrets)
        #expect(refused.written == [] && refused.problems.count == 2)
        #expect(
            refused.problems.first?.description.hasPrefix("\(folder.path("a/x.yaml")) is there already")
                == true)
        #expect(files == ["a/x.yaml", "b/y.yaml"])
        let taken = write(secrets, .skip)
        #expect(taken.written == [folder.path("c/z.yaml")] && taken.problems == [])
        #expect(taken.skipped == [folder.path("a/x.yaml"), folder.path("b/y.yaml")])
    }

    @Test(arguments: [ImportFolder.ExistingFilePolicy.skip, .fail])
    func whatCannotBeAFileIsFoundBeforeAnythingIsWritten(presence: ImportFolder.ExistingFilePolicy) throws {
        try FileManager.default.createDirectory(
            atPath: folder.path("b/folder.yaml"), withIntermediateDirectories: true)
        try folder.link("b/link.yaml", to: "nowhere")
        let result = write(
            [try secret("a", "x"), try secret("b", "folder"), try secret("b", "link")], presence)
        #expect(result.written == [] && result.skipped == [])
        #expect(
            result.problems.map(\.description) == [
                "\(folder.path("b/folder.yaml")) is a folder, and a file is to be made there; take it away",
                "\(folder.path("b/link.yaml")) is a link to what is not there, and a file is to be made there; take it away",
            ])
        #expect(files == ["b/link.yaml"])
    }

    @Test func allFoldersAreMadeBeforeTheFirstFile() throws {
        try folder.write("b", "x")
        try folder.link("c", to: "nowhere")
        let result = write([
            try secret("a", "x"), try secret("b", "x"), try secret("b", "y"), try secret("c", "x"),
        ])
        #expect(
            result.problems.map(\.description) == [
                "cannot make the folder \(folder.path("b")): \(folder.path("b")) is a file",
                "cannot make the folder \(folder.path("c")): \(folder.path("c")) is a link to what is not there",
            ])
        #expect(result.written == [] && files == ["b", "c"])
    }

    @Test func whatWasWrittenBeforeAnErrorIsTakenBack() throws {
        // Longer than a name in a folder may be, which is found when the file is made.
        let result = write([try secret("a", "x"), try secret("a", String(repeating: "n", count: 252))])
        #expect(result.written == [] && result.problems.count == 1)
        #expect(result.problems.first?.description.contains("File name too long") == true)
        #expect(files == [])
    }

    @Test func twoOfOneNameAreRefused() throws {
        let result = write([try secret("a", "x"), try secret("a", "x")])
        #expect(result.problems.count == 1 && result.written == [] && files == [])
    }

    @Test(arguments: [
        ("../../x", "x"), ("a", "../../x"), ("a", ".."), ("a", "."), ("a", ""), ("", "x"), ("a/b", "x"),
        ("a", "x/y"), ("A", "x"), ("a", "x\n"), ("a", "x; rm -rf /"), ("a.b", "x"), ("a", "/etc/x"),
    ])
    func aNameThatKubernetesDoesNotAllowIsNoPath(namespace: String, name: String) {
        #expect(throws: InputError.self) { try secret(namespace, name) }
    }

    /// Whoever can commit a link beside the files would choose where one is written.
    @Test(arguments: [ImportFolder.ExistingFilePolicy.skip, .fail])
    func aLinkIsNoFolderOfANamespace(presence: ImportFolder.ExistingFilePolicy) throws {
        let outside = try TemporaryFolder()
        try folder.link("b", to: outside.path)
        let result = write([try secret("a", "x"), try secret("b", "x")], presence)
        #expect(result.written == [] && result.problems.count == 1)
        #expect(result.problems.first?.description.contains("is a symbolic link") == true)
        #expect(try outside.names == [])
        #expect(files == [])
    }

    @Test func theFolderItselfMayBeALink() throws {
        let target = try TemporaryFolder()
        try folder.link("link", to: target.path)
        #expect(write([try secret("a", "x")], in: folder.path("link")).problems == [])
        #expect(try target.read("a/x.yaml") == "name: x\n")
    }
}
