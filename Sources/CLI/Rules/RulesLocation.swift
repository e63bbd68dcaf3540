import Glibc
import System

/// The place of a rules file, and the files that it is for.
struct RulesLocation: Sendable {
    let file: AbsolutePath
    /// The folder of the file, which patterns are relative to.
    let folder: AbsolutePath

    /// The root of the repository, or the folder if it is in none.
    var root: AbsolutePath {
        var current: AbsolutePath? = folder
        while let folder = current {
            if folder.isRepositoryRoot { return folder }
            current = folder.parent
        }
        return folder
    }

    /// Finds the rules file for a folder: in it, or in the nearest folder above it. The search ends at the root of a Git
    /// repository, at the user's home and at the root of the file system, each included.
    ///
    /// - Returns: nil if there is none.
    /// - Throws: `InputError` if it is not a file, or may be another user's.
    static func find(from folder: AbsolutePath, home: AbsolutePath?) throws(InputError) -> RulesLocation? {
        var current: AbsolutePath? = folder
        while let folder = current {
            let file = folder.appending(RulesFile.name)
            if try check(file, in: folder) { return RulesLocation(file: file, folder: folder) }
            if folder.isRepositoryRoot || folder == home { return nil }
            current = folder.parent
        }
        return nil
    }

    /// Returns false if there is no such file.
    private static func check(_ file: AbsolutePath, in folder: AbsolutePath) throws(InputError) -> Bool {
        var info = stat()
        guard lstat(file.path, &info) == 0 else {
            let code = errno
            guard code == ENOENT || code == ENOTDIR else {
                throw InputError(unreadable: file.display, lastSystemError())
            }
            return false
        }
        // The committer of a link would choose the rules of another place.
        guard info.st_mode & S_IFMT == S_IFREG else {
            let kind = info.st_mode & S_IFMT == S_IFLNK ? "a symbolic link" : "not a file"
            throw InputError(
                "\(file.display) is \(kind), and the rules are not read; replace it by a file, or name the rules with "
                    + "--rules")
        }
        var parent = stat()
        guard stat(folder.path, &parent) == 0 else {
            throw InputError(unreadable: folder.display, lastSystemError())
        }
        // As in /tmp, where another user could choose the recipients.
        guard parent.st_mode & S_IWOTH == 0 || info.st_uid == geteuid() || info.st_uid == 0 else {
            throw InputError(
                "\(file.display) belongs to another user, in a folder that all users may write to; name it with --rules "
                    + "if you trust it, or give --rules none")
        }
        return true
    }
}

extension AbsolutePath {
    /// True if the folder has a `.git`, which is a file in worktrees and submodules.
    fileprivate var isRepositoryRoot: Bool {
        var info = stat()
        return lstat(appending(".git").path, &info) == 0
    }
}
