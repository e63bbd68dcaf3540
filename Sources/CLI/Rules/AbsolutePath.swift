import Glibc
import System

/// An absolute path without symbolic links, `.` and `..`.
struct AbsolutePath: Sendable, Hashable {
    let path: String

    /// Returns nil if nothing exists there, or the path cannot be resolved.
    init?(existing path: String) {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        guard let path = String(validatingCString: resolved) else { return nil }
        self.path = path
    }

    /// Resolves a path whose last names may not exist yet, as that of a new file in a new folder.
    init?(_ path: String) {
        if let existing = AbsolutePath(existing: path) {
            self = existing
            return
        }
        guard errno == ENOENT else { return nil }
        let trimmed = path.trimming { $0 == "/" }
        // A leading slash is part of the path.
        let text = path.hasPrefix("/") ? "/\(trimmed)" : String(trimmed)
        let slash = text.utf8.lastIndex(of: UInt8(ascii: "/"))
        let name = slash.map { String(text[text.utf8.index(after: $0)...]) } ?? text
        guard !name.isEmpty, name != ".", name != ".." else { return nil }
        let parent = slash.map { $0 == text.startIndex ? "/" : String(text[..<$0]) } ?? "."
        guard let folder = AbsolutePath(parent) else { return nil }
        self = folder.appending(name)
    }

    /// Makes a path as it is written absolute, without `.` and `..`, and follows no links. Returns nil if the working folder
    /// cannot be found.
    init?(written path: String) {
        guard let folder = path.hasPrefix("/") ? "" : AbsolutePath(existing: ".")?.path else { return nil }
        var names: [Substring] = []
        for name in "\(folder)/\(path)".split(separator: "/") where name != "." {
            if name == ".." { _ = names.popLast() } else { names.append(name) }
        }
        self.path = "/" + names.joined(separator: "/")
    }

    private init(absolute path: String) { self.path = path }

    func appending(_ name: String) -> AbsolutePath {
        AbsolutePath(absolute: path == "/" ? "/\(name)" : "\(path)/\(name)")
    }

    /// The folder that contains it, or nil for the root of the file system.
    var parent: AbsolutePath? {
        guard path != "/", let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return nil }
        return AbsolutePath(absolute: slash == path.startIndex ? "/" : String(path[..<slash]))
    }

    /// Returns the path below a folder, or nil if it is not below it.
    func relative(to folder: String) -> String? {
        let prefix = folder == "/" ? "/" : "\(folder)/"
        guard path.utf8.starts(with: prefix.utf8), path.utf8.count > prefix.utf8.count else { return nil }
        return String(path[path.utf8.index(path.startIndex, offsetBy: prefix.utf8.count)...])
    }

    var kind: FileKind? { try? FileKind(of: path) }

    /// The path in messages: relative to the working folder if it is below it.
    var display: String {
        guard let working = AbsolutePath(existing: ".") else { return path }
        return relative(to: working.path) ?? path
    }
}
