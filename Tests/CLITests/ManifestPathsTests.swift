import Foundation
import Primitives
import TestSupport
import Testing

@testable import CLI

/// What paths stand for, and what is told of those that stand for nothing.
struct ManifestPathsTests {
    private let folder = FileManager.default.temporaryDirectory.appending(
        path: "sb-paths-\(UUID().uuidString)")

    init() throws {
        try FileManager.default.createDirectory(
            at: folder.appending(path: "in"), withIntermediateDirectories: true)
    }

    private func remove() { try? FileManager.default.removeItem(at: folder) }

    private func path(_ name: String) -> String { "\(folder.path)/\(name)" }

    private func write(_ name: String, _ text: String = "x: 1") throws {
        try text.write(toFile: path(name), atomically: true, encoding: .utf8)
    }

    private let wrapped = """
        apiVersion: secrets-bridge.io/v1alpha1
        kind: WrappedSecret
        metadata: {name: db}
        spec: {format: v1, scope: strict, recipients: [{keyID: "local:0", wrappedKey: QUJD}], mac: QUJD}
        """

    @Test func aFileIsTakenOnce() throws {
        defer { remove() }
        try write("a.yaml")
        try FileManager.default.createSymbolicLink(
            atPath: path("link.yaml"), withDestinationPath: "a.yaml")
        let found = ManifestPaths([path("a.yaml"), path("./a.yaml"), path("link.yaml"), folder.path])
        #expect(found.files == [path("a.yaml")])
        #expect(found.problems == [])
    }

    @Test func oneBadPathDoesNotHideTheRest() throws {
        defer { remove() }
        try write("a.yaml")
        try write("in/b.yaml")
        try write("z.yaml")
        // No String is such a name.
        let odd = Array(path("caf").utf8) + [0xE9] + Array(".yaml\0".utf8)
        let file = odd.withUnsafeBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) { name in
                name.baseAddress.map { open($0, O_CREAT | O_WRONLY, 0o600) } ?? -1
            }
        }
        #expect(file >= 0)
        close(file)
        var deep = path("in")
        for _ in 0..<65 { deep += "/d" }
        try FileManager.default.createDirectory(atPath: deep, withIntermediateDirectories: true)
        let found = ManifestPaths([path("nope.yaml"), "/dev/null", folder.path])
        #expect(found.files == [path("a.yaml"), path("in/b.yaml"), path("z.yaml")])
        let problems = found.problems.map(\.description)
        for part in ["nope.yaml: No such file", "/dev/null: is neither", "is not UTF-8", "nested deeper"] {
            #expect(problems.filter { $0.contains(part) }.count == 1, "\(part) in \(problems)")
        }
        #expect(problems.count == 4)
        problems.forEach { expectSpeakable($0) }
    }

    /// Who reads leaves a folder as it is; what another run is at work with stays in any case.
    @Test func onlyWhoWritesCleansUp() throws {
        defer { remove() }
        try write(".a.yaml.1.secrets-bridge-tmp")
        _ = ManifestPaths([folder.path])
        _ = WrappedSecretFiles(reading: [folder.path])
        #expect(FileManager.default.fileExists(atPath: path(".a.yaml.1.secrets-bridge-tmp")))
        _ = ManifestPaths([folder.path], cleansUp: true)
        #expect(!FileManager.default.fileExists(atPath: path(".a.yaml.1.secrets-bridge-tmp")))
    }

    @Test func aPathWithoutAnyWrappedSecretIsAProblem() throws {
        defer { remove() }
        try write("in/a.yaml", wrapped)
        try write("plain.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\n")
        try write("empty.yaml", "")
        #expect(WrappedSecretFiles(reading: [folder.path, path("in"), path("in/a.yaml")]).problems == [])
        for name in ["plain.yaml", "empty.yaml"] {
            let files = WrappedSecretFiles(reading: [path(name), path("in")])
            #expect(files.documents.count == 1)
            #expect(files.problems.count == 1)
            #expect(files.problems.first?.description.hasPrefix(path(name) + ": no WrappedSecret") == true)
        }
        // What cannot be read is told once.
        try write("bad.yaml", "kind: WrappedSecret\n\tbad")
        let problems = WrappedSecretFiles(reading: [path("bad.yaml"), path("in")]).problems
        #expect(problems.count == 1)
        #expect(problems.first?.description.contains("bad.yaml:2:") == true)
    }
}
