import Foundation
import System
import TestSupport
import Testing

@testable import CLI

/// Expands paths to files, and reports paths that match none.
struct ManifestPathsTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func write(_ name: String, _ text: String = "x: 1") throws {
        try folder.write(name, text)
    }

    private let wrapped = """
        apiVersion: secrets-bridge.io/v1alpha1
        kind: WrappedSecret
        metadata: {name: db}
        spec: {format: v1, scope: strict, recipients: [{keyID: "local:0", wrappedKey: QUJD}], mac: QUJD}
        """

    @Test func returnsAFileOnce() throws {
        try write("a.yaml")
        try folder.link("link.yaml", to: "a.yaml")
        let found = ManifestPaths([
            folder.path("a.yaml"), folder.path("./a.yaml"), folder.path("link.yaml"), folder.path,
        ])
        #expect(found.files == [folder.path("a.yaml")])
        #expect(found.problems == [])
    }

    @Test func returnsTheOtherFilesIfAPathIsUnreadable() throws {
        try write("a.yaml")
        try write("in/b.yaml")
        try write("z.yaml")
        // The name is not UTF-8.
        let name = Array(folder.path("caf").utf8) + [0xE9] + Array(".yaml\0".utf8)
        let file = name.withUnsafeBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) { name in
                name.baseAddress.map { open($0, O_CREAT | O_WRONLY, 0o600) } ?? -1
            }
        }
        #expect(file >= 0)
        close(file)
        var deep = folder.path("in")
        for _ in 0..<65 { deep += "/d" }
        try FileManager.default.createDirectory(atPath: deep, withIntermediateDirectories: true)
        let found = ManifestPaths([folder.path("nope.yaml"), "/dev/null", folder.path])
        #expect(found.files == [folder.path("a.yaml"), folder.path("in/b.yaml"), folder.path("z.yaml")])
        let problems = found.problems.map(\.description)
        for part in ["nope.yaml: No such file", "/dev/null: is neither", "is not UTF-8", "nested deeper"] {
            #expect(problems.filter { $0.contains(part) }.count == 1, "\(part) in \(problems)")
        }
        #expect(problems.count == 4)
        problems.forEach { expectSafeMessage($0) }
    }

    /// A reader does not change a folder. Temporary files of a running process always stay.
    @Test func removesTemporaryFilesOnlyForAWriter() throws {
        try write(".a.yaml.1.secrets-bridge-tmp")
        _ = ManifestPaths([folder.path])
        _ = WrappedSecretFiles(reading: [folder.path])
        #expect(FileManager.default.fileExists(atPath: folder.path(".a.yaml.1.secrets-bridge-tmp")))
        _ = ManifestPaths([folder.path], cleansUp: true)
        #expect(!FileManager.default.fileExists(atPath: folder.path(".a.yaml.1.secrets-bridge-tmp")))
    }

    @Test func reportsAPathWithoutWrappedSecrets() throws {
        try write("in/a.yaml", wrapped)
        try write("plain.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\n")
        try write("empty.yaml", "")
        #expect(
            WrappedSecretFiles(reading: [folder.path, folder.path("in"), folder.path("in/a.yaml")]).problems
                == [])
        for name in ["plain.yaml", "empty.yaml"] {
            let files = WrappedSecretFiles(reading: [folder.path(name), folder.path("in")])
            #expect(files.documents.count == 1)
            #expect(files.problems.count == 1)
            #expect(
                files.problems.first?.description.hasPrefix(folder.path(name) + ": no WrappedSecret") == true)
        }
        // An unreadable file is reported once.
        try write("bad.yaml", "kind: WrappedSecret\n\tbad")
        let problems = WrappedSecretFiles(reading: [folder.path("bad.yaml"), folder.path("in")]).problems
        #expect(problems.count == 1)
        #expect(problems.first?.description.contains("bad.yaml:2:") == true)
    }
}
