import FoundationEssentials

/// A folder that is deleted with its contents when it is released.
///
/// A suite keeps it in a property: a suite lives as long as one test case. A local variable of which only the path is used
/// may be released before the path is used, unless `withExtendedLifetime` keeps it.
package final class TemporaryFolder: Sendable {
    package let path: String

    package init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "sb-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Returns the path of a name in the folder, which need not exist.
    package func path(_ name: String) -> String { "\(path)/\(name)" }

    /// The sorted names in the folder, without those in subfolders.
    package var names: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
    }

    /// Writes a file, and creates the folders of its path. Returns the path.
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

    /// Creates or replaces a symbolic link. Returns its path.
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
