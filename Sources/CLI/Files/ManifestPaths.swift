import Glibc
import Primitives

/// The files that paths stand for: a file is taken as it is; of a folder, every YAML and JSON file in it and below,
/// but not what is hidden (`.git`) and not through links.
package enum ManifestPaths {
    private static let endings = [".yaml", ".yml", ".json"]
    private static let maximumDepth = 64

    /// In the order given, those of a folder in the order of their names; none twice.
    ///
    /// Errors: a path is not there or cannot be read.
    package static func files(_ paths: [String]) throws(InputError) -> [String] {
        var files: [String] = []
        for path in paths {
            // Standard input, for those who only read.
            guard path != "-" else {
                files.append(path)
                continue
            }
            switch try kind(of: path, isLinkFollowed: true) {
            case S_IFDIR: try collect(path, into: &files, depth: 0)
            case S_IFREG: files.append(path)
            default: throw InputError(path, "is neither a file nor a folder")
            }
        }
        var seen: Set<String> = []
        return files.filter { seen.insert($0).inserted }
    }

    private static func collect(
        _ folder: String, into files: inout [String], depth: Int
    ) throws(InputError) {
        guard depth < maximumDepth else {
            throw InputError(folder, "is nested deeper than \(maximumDepth) folders")
        }
        let base = folder.hasSuffix("/") ? folder : folder + "/"
        for name in try names(in: folder).sorted() {
            if FileReplacement.isTemporary(name) { FileReplacement.removeAbandoned(base + name) }
            guard !name.hasPrefix(".") else { continue }
            switch try kind(of: base + name, isLinkFollowed: false) {
            case S_IFDIR: try collect(base + name, into: &files, depth: depth + 1)
            case S_IFREG where endings.contains { name.hasSuffix($0) }: files.append(base + name)
            default: break
            }
        }
    }

    private static func kind(of path: String, isLinkFollowed: Bool) throws(InputError) -> mode_t {
        var info = stat()
        guard (isLinkFollowed ? stat(path, &info) : lstat(path, &info)) == 0 else {
            throw InputError("cannot read \(path): \(lastSystemError())")
        }
        return info.st_mode & S_IFMT
    }

    private static func names(in folder: String) throws(InputError) -> [String] {
        guard let listing = opendir(folder) else {
            throw InputError("cannot read the folder \(folder): \(lastSystemError())")
        }
        defer { closedir(listing) }
        var names: [String] = []
        while let entry = readdir(listing) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}
