import System

/// Input that cannot be used. One line: where, what is wrong, what is expected. Never a value. Names out of files are in it
/// as they were found; invisible characters in them are escapes.
package struct InputError: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String
    /// Whether the command line itself is wrong, and no file or service.
    package let isUsage: Bool

    package init(_ description: String, isUsage: Bool = false) {
        self.description = description.escapingInvisibleCharacters
        self.isUsage = isUsage
    }

    init(_ source: String, _ description: String) {
        self.init("\(source): \(description)")
    }

    /// A file or folder that was named cannot be read. The text of a manifest that was given as the path is not quoted.
    package init(unreadable path: String, _ reason: String) {
        self.init(Self.problem(ofPath: path) ?? "cannot read \(path): \(reason)")
    }

    /// A file or folder that was named cannot be written.
    package init(unwritable path: String, _ reason: String) {
        self.init(Self.problem(ofPath: path) ?? "cannot write \(path): \(reason)")
    }

    /// What is wrong with an argument that is no path, as the output of `cat` is none; nil if it may be one.
    private static func problem(ofPath argument: String) -> String? {
        let why: String
        if argument.utf8.contains(where: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) {
            why = "it has line breaks"
        } else if argument.utf8.count > 4096 {
            why = "it is longer than 4096 bytes"
        } else {
            return nil
        }
        return "the argument is no path (\(why)); pipe the text: \u{2026} | secrets-bridge wrap"
    }
}
