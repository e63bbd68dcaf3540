import Glibc
import KubeClient
import Resources
import System

/// Expands paths to files. A folder expands to all YAML and JSON files below it, except those in hidden folders (`.git`) and
/// behind symbolic links to folders. An unreadable path does not hide the others.
package struct ManifestPaths: Sendable {
    /// The files, in the order of the paths and sorted by name within a folder. Each file occurs once, under any name.
    package private(set) var files: [String] = []
    /// The errors for paths that do not exist or cannot be read.
    package private(set) var problems: [InputError] = []
    /// The errors for dangling symbolic links in folders whose names are those of manifests.
    private(set) var danglingSymlinks: [InputError] = []
    /// The readable paths that were given, each with the indices of its files.
    private var given: [(path: String, indices: [Int])] = []
    private var known: [FileIdentity: Int] = [:]
    /// The symbolic links to files whose names are those of manifests.
    private var links: [(path: String, identity: FileIdentity)] = []
    private let readsAbandoned: Bool

    private static let endings = [".yaml", ".yml", ".json"]
    private static let maximumDepth = 64

    /// - Parameters:
    ///   - cleansUp: Removes temporary files that killed runs left in the folders. Only a caller that is about to write there
    ///     sets it.
    ///   - readsLinks: Includes files behind symbolic links that have the names of manifests, as kubectl does, unless they
    ///     are among the files already. Only a caller that does not write sets it.
    ///   - readsAbandoned: Includes temporary files that killed runs left in the folders, which may hold plaintext.
    package init(
        _ paths: [String], cleansUp: Bool = false, readsLinks: Bool = false, readsAbandoned: Bool = false
    ) {
        self.readsAbandoned = readsAbandoned
        for path in paths {
            links = []
            do throws(InputError) {
                var indices = try indices(of: path, cleansUp)
                if readsLinks {
                    for link in links where known[link.identity] == nil {
                        indices.append(index(of: link.path, link.identity))
                    }
                }
                given.append((path, indices))
            } catch {
                problems.append(error)
            }
        }
    }

    /// Reads every file with `body`, which returns nil for a file without objects of `kind`. An unreadable file does
    /// not hide the others.
    ///
    /// - Parameter allowsNone: Accepts paths without such objects, and skips files whose names are not those of
    ///   manifests.
    func read<File>(
        kind: String, allowsNone: Bool = false, _ body: (String) throws(InputError) -> File?
    ) -> (files: [File], problems: [InputError], unreadCount: Int) {
        var read: [File] = []
        var problems = problems
        // Unreadable files count: they may contain such objects.
        var matched: Set<String> = []
        var unreadCount = 0
        for path in files {
            guard !allowsNone || path == "-" || Self.mayBeManifest(path) else {
                unreadCount += 1
                continue
            }
            do throws(InputError) {
                guard let file = try body(path) else { continue }
                read.append(file)
            } catch {
                problems.append(error)
            }
            matched.insert(path)
        }
        return (
            read, problems + (allowsNone ? [] : self.emptyPathProblems(withoutAnyOf: matched, kind: kind)),
            unreadCount
        )
    }

    /// Returns one error for each given path none of whose files are in `files`: most likely it is the wrong path.
    package func emptyPathProblems(withoutAnyOf files: Set<String>) -> [InputError] {
        emptyPathProblems(withoutAnyOf: files, kind: WrappedSecret.resource.kind)
    }

    private func emptyPathProblems(withoutAnyOf files: Set<String>, kind: String) -> [InputError] {
        given.filter { !$0.indices.contains { files.contains(self.files[$0]) } }.map {
            InputError(ManifestFile.displayName($0.path), "no \(kind) found; is it the right path?")
        }
    }

    private mutating func indices(of path: String, _ cleansUp: Bool) throws(InputError) -> [Int] {
        // Only commands that do not write accept standard input.
        guard path != "-" else { return [index(of: path, .standardInput)] }
        let info = try status(of: path, isLinkFollowed: true)
        switch info.st_mode & S_IFMT {
        case S_IFDIR: return try collect(path, depth: 0, cleansUp)
        case S_IFREG: return [index(of: path, FileIdentity(info))]
        default: throw InputError(path, "is neither a file nor a folder")
        }
    }

    private mutating func index(of path: String, _ identity: FileIdentity) -> Int {
        if let index = known[identity] { return index }
        known[identity] = files.count
        files.append(path)
        return files.count - 1
    }

    /// Collects the files below a folder, and adds an error to `problems` for each entry that cannot be read.
    ///
    /// - Throws: `InputError` if the folder itself cannot be read.
    private mutating func collect(
        _ folder: String, depth: Int, _ cleansUp: Bool
    ) throws(InputError) -> [Int] {
        guard depth < Self.maximumDepth else {
            throw InputError(folder, "is nested deeper than \(Self.maximumDepth) folders")
        }
        let base = folder.hasSuffix("/") ? folder : folder + "/"
        var indices: [Int] = []
        for name in try names(in: folder).sorted() {
            if TemporaryFile.isTemporary(name) {
                if cleansUp { TemporaryFile.removeAbandoned(base + name) }
                guard readsAbandoned, TemporaryFile.isAbandoned(base + name) else { continue }
            }
            do throws(InputError) {
                let info = try status(of: base + name, isLinkFollowed: false)
                switch info.st_mode & S_IFMT {
                case S_IFDIR where name.hasPrefix("."): break
                case S_IFDIR: indices += try collect(base + name, depth: depth + 1, cleansUp)
                case S_IFREG where Self.isManifest(name) || TemporaryFile.isTemporary(name):
                    indices.append(index(of: base + name, FileIdentity(info)))
                case S_IFLNK where Self.isManifest(name):
                    do throws(InputError) {
                        let target = try status(of: base + name, isLinkFollowed: true)
                        if target.st_mode & S_IFMT == S_IFREG {
                            links.append((base + name, FileIdentity(target)))
                        }
                    } catch {
                        danglingSymlinks.append(error)
                    }
                default: break
                }
            } catch {
                problems.append(error)
            }
        }
        return indices
    }

    private static func isManifest(_ name: String) -> Bool {
        let name = name.lowercased()
        return endings.contains { name.hasSuffix($0) }
    }

    /// Returns true for the file name of a manifest, of a copy or an example such as `db.yaml.bak`, or of a temporary file.
    private static func mayBeManifest(_ path: String) -> Bool {
        let name = path.split(separator: "/").last.map { $0.lowercased() } ?? ""
        if TemporaryFile.isTemporary(name) { return true }
        return endings.contains { name.hasSuffix($0) || name.contains("\($0).") }
    }

    private func status(of path: String, isLinkFollowed: Bool) throws(InputError) -> stat {
        var info = stat()
        guard (isLinkFollowed ? stat(path, &info) : lstat(path, &info)) == 0 else {
            throw InputError(unreadable: path, lastSystemError())
        }
        return info
    }

    private mutating func names(in folder: String) throws(InputError) -> [String] {
        guard let listing = opendir(folder) else {
            throw InputError("cannot read the folder \(folder): \(lastSystemError())")
        }
        defer { closedir(listing) }
        var names: [String] = []
        while let entry = readdir(listing) {
            let bytes = withUnsafeBytes(of: entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            let isFolder = [DT_DIR, DT_UNKNOWN].contains(Int(entry.pointee.d_type))
            if let name = String(validating: bytes, as: UTF8.self) {
                if name != ".", name != ".." { names.append(name) }
            } else if isFolder || Self.isManifest(String(decoding: bytes, as: UTF8.self)) {
                problems.append(
                    InputError(
                        "cannot read \(folder)/\(String(decoding: bytes, as: UTF8.self)): its name is not UTF-8; "
                            + "rename it"))
            }
        }
        return names
    }
}

/// Identifies a file independently of its name.
private struct FileIdentity: Hashable {
    let device: UInt64
    let inode: UInt64

    static let standardInput = FileIdentity(device: .max, inode: .max)
}

extension FileIdentity {
    init(_ info: stat) {
        self.init(device: UInt64(info.st_dev), inode: UInt64(info.st_ino))
    }
}
