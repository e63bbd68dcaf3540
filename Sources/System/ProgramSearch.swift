import Glibc

/// Finds programs as execvp(3) does, so that it can be done before the environment is another one.
package enum ProgramSearch {
    package enum SearchError: Error, Equatable {
        case notFound
        /// It is there and cannot be run; why.
        case notExecutable(String)
    }

    /// A path that holds a slash. `path`: folders with colons between them; nil: the system's own ones.
    package static func path(of program: String, in path: String?) throws(SearchError) -> String {
        guard !program.isEmpty else { throw .notFound }
        let folders = (path ?? "/usr/local/bin:/usr/bin:/bin").split(
            separator: ":", omittingEmptySubsequences: false)
        // An empty folder is the current one.
        let candidates =
            program.contains("/")
            ? [program] : folders.map { $0.isEmpty ? "./\(program)" : "\($0)/\(program)" }
        var refusal: String?
        for candidate in candidates {
            var info = stat()
            guard stat(candidate, &info) == 0 else {
                if errno == EACCES { refusal = lastSystemError() }
                continue
            }
            guard info.st_mode & S_IFMT == S_IFREG else {
                // A folder of that name before the program hides it from nobody.
                refusal = refusal ?? "it is no file"
                continue
            }
            if access(candidate, X_OK) == 0 { return candidate }
            refusal = lastSystemError()
        }
        throw refusal.map { .notExecutable($0) } ?? .notFound
    }
}
