import FoundationEssentials

/// A folder that goes, with all that is in it, with its last owner.
///
/// A suite keeps it in a property, as a suite lives as long as one test case. A local one whose path alone is used
/// further on may go before its path was used: `withExtendedLifetime` keeps it.
package final class TemporaryFolder: Sendable {
    package let path: String

    package init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "sb-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The path of something in it, whether it is there or not.
    package func path(_ name: String) -> String { "\(path)/\(name)" }

    /// What is in it, sorted; not what is in folders below.
    package var names: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
    }

    /// Writes a file in place, and makes the folders that it needs; its path.
    @discardableResult
    package func write(_ name: String, _ text: String) throws -> String { try write(name, text.utf8) }

    @discardableResult
    package func write(_ name: String, _ bytes: some Sequence<UInt8>) throws -> String {
        try makeParent(of: name)
        try Data(bytes).write(to: URL(filePath: path(name)))
        return path(name)
    }

    package func read(_ name: String) throws -> String {
        try String(contentsOfFile: path(name), encoding: .utf8)
    }

    /// A symbolic link, in place of what is there; its path.
    @discardableResult
    package func link(_ name: String, to target: String) throws -> String {
        try makeParent(of: name)
        try? remove(name)
        try FileManager.default.createSymbolicLink(atPath: path(name), withDestinationPath: target)
        return path(name)
    }

    package func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: path(name)) }

    private func makeParent(of name: String) throws {
        let parent = URL(filePath: path(name)).deletingLastPathComponent().path
        try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
    }
}
