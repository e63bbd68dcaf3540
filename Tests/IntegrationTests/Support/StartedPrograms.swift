import Foundation
import TestSupport

/// Records the environment and the arguments of the programs that the tested program starts.
struct StartedPrograms {
    private let folder: TemporaryFolder
    private let repository: String

    /// A command line that records itself, to which the folder of the records is to be given in `RECORDS`.
    static let record = #"cat "/proc/$$/environ" "/proc/$$/cmdline" >>"$RECORDS"/"#

    init() throws {
        folder = try TemporaryFolder()
        repository = try Settings.required().repository
    }

    /// Puts a recording program of this name before all others on the PATH. It runs `script`, or the program itself.
    func record(_ name: String, script: String? = nil) throws {
        try folder.link("bin/\(name)", to: "\(repository)/Tests/Clients/recording/program")
        if let script { try folder.write("\(name).sh", script) }
    }

    /// Writes a shell script that records how it was started under `name`. Returns its path.
    func script(_ name: String, _ text: String) throws -> String {
        try folder.write("\(name).script", "\(Self.record)\(name)\n\(text)\n")
    }

    /// The environment for the tested program.
    var environment: [String: String] {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        return [
            "RECORDS": folder.path, "RECORDED_PATH": path, "PATH": "\(folder.path)/bin:\(path)",
        ]
    }

    /// Returns what was recorded under `name`, or nothing if it was not started.
    func records(_ name: String) -> Data {
        (try? Data(contentsOf: URL(filePath: folder.path(name)))) ?? Data()
    }
}

extension Data {
    /// True if a variable with this prefix is in the environment of a process, or in several of them.
    func hasVariable(_ prefix: String) -> Bool {
        split(separator: 0).contains { $0.starts(with: prefix.utf8) }
    }
}
