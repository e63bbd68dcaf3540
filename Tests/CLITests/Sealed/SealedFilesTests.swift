import Foundation
import Primitives
import TestSupport
import Testing

@testable import CLI

/// SealedSecrets among other things in files and folders.
@Suite struct SealedFilesTests {
    private let vectors: SealedVectors
    private let folder = FileManager.default.temporaryDirectory.appending(
        path: "sb-sealed-\(UUID().uuidString)")

    init() throws {
        vectors = try SealedVectors()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    private func remove() { try? FileManager.default.removeItem(at: folder) }

    private func path(_ name: String) -> String { "\(folder.path)/\(name)" }

    private func write(_ name: String, _ text: String) throws {
        try text.write(toFile: path(name), atomically: true, encoding: .utf8)
    }

    private func text(_ name: String) throws -> String {
        String(decoding: try vectors.manifest(name).data(), as: UTF8.self)
    }

    private let other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: SealedSecret}\n"

    @Test func othersArePassedOver() throws {
        defer { remove() }
        try write("a.yaml", "\(other)---\n\(try text("strict"))\n---\n\(try text("whole"))\n")
        let items =
            "\(try text("strict")), {kind: SealedSecret, apiVersion: example.com/v1}, \(try text("second"))"
        try write("list.yaml", "apiVersion: v1\nkind: List\nitems: [\(items)]\n")
        try write("b.yaml", other)
        try write("template.yaml", "{{ not yaml: [")
        let found = SealedSecretFiles(reading: [folder.path])
        #expect(found.documents.count == 4 && found.problems == [])
    }

    @Test func aPathWithoutAnyIsAProblem() throws {
        defer { remove() }
        try write("a.yaml", try text("strict"))
        try write("b.yaml", other)
        let found = SealedSecretFiles(reading: [path("a.yaml"), path("b.yaml"), path("c.yaml")])
        #expect(found.documents.count == 1)
        #expect(
            found.problems.map(\.description) == [
                "cannot read \(path("c.yaml")): No such file or directory",
                "\(path("b.yaml")): no SealedSecret is in it; is it the right path?",
            ])
    }

    @Test func allThatIsWrongIsTold() throws {
        defer { remove() }
        var odd = try vectors.manifest("strict")
        odd[["metadata", "name"]] = .null
        let bad = String(decoding: try odd.data(), as: UTF8.self)
        try write("a.yaml", "\(bad)\n---\n\(try text("strict"))\n---\n\(bad)\n")
        try write("b.yaml", "kind: SealedSecret\nx: [\n")
        let found = SealedSecretFiles(reading: [folder.path])
        #expect(found.documents.count == 1 && found.problems.count == 3)
        #expect(found.problems.allSatisfy { !$0.description.contains("no SealedSecret") })
    }
}
