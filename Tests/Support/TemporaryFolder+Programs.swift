import Glibc

extension TemporaryFolder {
    /// Writes a script that can be run. Returns its path.
    ///
    /// Another process writes the file. Had this one ever opened it for writing, a child that another test starts meanwhile could
    /// still have that descriptor, and the script would be "busy" (ETXTBSY of execve(2)).
    @discardableResult
    package func writeProgram(_ name: String, _ script: String) throws -> String {
        let text = try write("\(name).text", script)
        let words: [String] = ["install", "-m", "755", text, path(name)]
        let arguments = words.map { strdup($0) }
        defer { arguments.forEach { free($0) } }
        var process = pid_t()
        var status: Int32 = 0
        guard posix_spawn(&process, "/usr/bin/install", nil, nil, arguments + [nil], nil) == 0,
            waitpid(process, &status, 0) == process, status == 0
        else { throw ProgramNotWritten(path: path(name), status: status) }
        try remove("\(name).text")
        return path(name)
    }
}

/// `install` did not run, or failed.
private struct ProgramNotWritten: Error {
    let path: String
    let status: Int32
}
