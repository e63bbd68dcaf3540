import Foundation

/// Inputs to begin with, from texts and from the files of `Tests/Vectors`.
enum Seeds {
    static let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static func texts(_ texts: String...) -> @Sendable () -> [[UInt8]] {
        { texts.map { Array($0.utf8) } }
    }

    /// Each text behind a few zero bytes, which the target takes its decisions from.
    static func texts(choices: Int, _ texts: String...) -> @Sendable () -> [[UInt8]] {
        { texts.map { [UInt8](repeating: 0, count: choices) + Array($0.utf8) } }
    }

    /// The files below folders of `Tests/Vectors`, or the files that are named, up to a size.
    static func vectors(
        _ paths: String..., choices: Int = 0, upTo maximum: Int = 16384
    ) -> @Sendable () -> [[UInt8]] {
        {
            let found = paths.flatMap { files(below: tests.appending(path: "Vectors/\($0)")) }
            let prefix = [UInt8](repeating: 0, count: choices)
            return found.filter { $0.count <= maximum }.map { prefix + $0 }
        }
    }

    static func prefixed(
        with choices: [UInt8], _ source: @escaping @Sendable () -> [[UInt8]]
    ) -> @Sendable () -> [[UInt8]] {
        { source().map { choices + $0 } }
    }

    static func joined(
        _ sources: (@Sendable () -> [[UInt8]])...
    ) -> @Sendable () -> [[UInt8]] {
        { sources.flatMap { $0() } }
    }

    private static func files(below place: URL) -> [[UInt8]] {
        let manager = FileManager.default
        let names = manager.enumerator(atPath: place.path)?.compactMap { $0 as? String }.sorted()
        let paths = names.map { $0.map { place.appending(path: $0).path } } ?? []
        return (paths.isEmpty ? [place.path] : paths)
            .compactMap { manager.contents(atPath: $0).map { Array($0) } }
    }
}
