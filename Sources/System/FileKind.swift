import Glibc

/// What stands under a name; links are followed.
package enum FileKind: Sendable {
    case missing, file, folder, danglingSymlink
    /// A device, a socket, a pipe.
    case other

    /// Errors: a folder on the way may not be entered, or is none.
    package init(of path: String) throws(FileError) {
        var info = stat()
        if stat(path, &info) == 0 {
            switch info.st_mode & S_IFMT {
            case S_IFREG: self = .file
            case S_IFDIR: self = .folder
            default: self = .other
            }
            return
        }
        let (code, reason) = (errno, lastSystemError())
        if lstat(path, &info) == 0 {
            // It leads to what is not there, to itself, or to what may not be seen.
            guard code == ENOENT || code == ELOOP else { throw FileError(path: path, reason: reason) }
            self = .danglingSymlink
        } else if code == ENOENT {
            self = .missing
        } else {
            throw FileError(path: path, reason: reason)
        }
    }

    /// As in `a.yaml is …`.
    package var phrase: String {
        switch self {
        case .missing: "not there"
        case .file: "a file"
        case .folder: "a folder"
        case .danglingSymlink: "a link to what is not there"
        case .other: "neither a file nor a folder"
        }
    }
}
