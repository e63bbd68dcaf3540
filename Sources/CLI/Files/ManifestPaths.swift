import Glibc
import KubeClient
import Resources
import System

/// The files that paths stand for: a file is taken as it is; of a folder, every YAML and JSON file in it and below,
/// but not what is hidden (`.git`) and not through links. What cannot be looked at does not hide the rest.
package struct ManifestPaths: Sendable {
    /// In the order given, those of a folder in the order of their names; none twice, by whatever name.
    package private(set) var files: [String] = []
    /// Of paths that are not there or cannot be read.
    package private(set) var problems: [InputError] = []
    /// Links in the folders that have the name of a manifest and lead nowhere.
    private(set) var danglingSymlinks: [InputError] = []
    /// The paths that were given and can be read, each with the places of its files.
    private var given: [(path: String, places: [Int])] = []
    private var known: [FileIdentity: Int] = [:]

    private static let endings = [".yaml", ".yml", ".json"]
    private static let maximumDepth = 64

    /// `cleansUp`: what killed runs left in the folders is removed. For who is about to write there.
    package init(_ paths: [String], cleansUp: Bool = false) {
        for path in paths {
            do throws(InputError) {
                given.append((path, try places(of: path, cleansUp)))
            } catch {
                problems.append(error)
            }
        }
    }

    /// Reads every file with `body`, which returns nil for one without any object of `kind`. A bad file does not hide
    /// the others.
    ///
    /// - Parameter allowsNone: a path without any is no problem, and a file is read only if its name is a manifest's.
    func read<File>(
        kind: String, allowsNone: Bool = false, _ body: (String) throws(InputError) -> File?
    ) -> (files: [File], problems: [InputError], unreadCount: Int) {
        var read: [File] = []
        var problems = problems
        // One that cannot be read may have some.
        var eventful: Set<String> = []
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
            eventful.insert(path)
        }
        return (
            read, problems + (allowsNone ? [] : self.emptyPathProblems(withoutAnyOf: eventful, kind: kind)),
            unreadCount
        )
    }

    /// One problem for each path that was given and stands for no file of `files`: most likely it is not the one that
    /// was meant.
    package func emptyPathProblems(withoutAnyOf files: Set<String>) -> [InputError] {
        emptyPathProblems(withoutAnyOf: files, kind: WrappedSecret.resource.kind)
    }

    private func emptyPathProblems(withoutAnyOf files: Set<String>, kind: String) -> [InputError] {
        given.filter { !$0.places.contains { files.contains(self.files[$0]) } }.map {
            InputError(ManifestFile.displayName($0.path), "no \(kind) is in it; is it the right path?")
        }
    }

    private mutating func places(of path: String, _ cleansUp: Bool) throws(InputError) -> [Int] {
        // Standard input, for those who only read.
        guard path != "-" else { return [place(of: path, .standardInput)] }
        let info = try status(of: path, isLinkFollowed: true)
        switch info.st_mode & S_IFMT {
        case S_IFDIR: return try collect(path, depth: 0, cleansUp)
        case S_IFREG: return [place(of: path, FileIdentity(info))]
        default: throw InputError(path, "is neither a file nor a folder")
        }
    }

    private mutating func place(of path: String, _ identity: FileIdentity) -> Int {
        if let place = known[identity] { return place }
        known[identity] = files.count
        files.append(path)
        return files.count - 1
    }

    /// Errors: the folder cannot be read. What is in it and cannot be read is among the problems.
    private mutating func collect(
        _ folder: String, depth: Int, _ cleansUp: Bool
    ) throws(InputError) -> [Int] {
        guard depth < Self.maximumDepth else {
            throw InputError(folder, "is nested deeper than \(Self.maximumDepth) folders")
        }
        let base = folder.hasSuffix("/") ? folder : folder + "/"
        var places: [Int] = []
        for name in try names(in: folder).sorted() {
            if cleansUp, FileReplacement.isTemporary(name) { FileReplacement.removeAbandoned(base + name) }
            guard !name.hasPrefix(".") else { continue }
            do throws(InputError) {
                let info = try status(of: base + name, isLinkFollowed: false)
                switch info.st_mode & S_IFMT {
                case S_IFDIR: places += try collect(base + name, depth: depth + 1, cleansUp)
                case S_IFREG where Self.isManifest(name):
                    places.append(place(of: base + name, FileIdentity(info)))
                case S_IFLNK where Self.isManifest(name):
                    do throws(InputError) {
                        _ = try status(of: base + name, isLinkFollowed: true)
                    } catch {
                        danglingSymlinks.append(error)
                    }
                default: break
                }
            } catch {
                problems.append(error)
            }
        }
        return places
    }

    private static func isManifest(_ name: String) -> Bool {
        let name = name.lowercased()
        return endings.contains { name.hasSuffix($0) }
    }

    /// Of a file that is given: also copies and examples, as `db.yaml.bak`.
    private static func mayBeManifest(_ path: String) -> Bool {
        let name = path.split(separator: "/").last.map { $0.lowercased() } ?? ""
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

/// Which file it is, whatever it is called.
private struct FileIdentity: Hashable {
    let device: UInt64
    let inode: UInt64

    static let standardInput = FileIdentity(device: .max, inode: .max)

    init(_ info: stat) {
        self.init(device: UInt64(info.st_dev), inode: UInt64(info.st_ino))
    }

    private init(device: UInt64, inode: UInt64) {
        self.device = device
        self.inode = inode
    }
}
