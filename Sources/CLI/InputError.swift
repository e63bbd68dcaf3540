import Envelope
import System

/// An error in the user's input, as one line: the place, the problem and the remedy.
///
/// The text never contains a secret value. Names from files are quoted as found, with invisible characters escaped.
package struct InputError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String
    /// True if the command line itself is wrong, which exits with code 64.
    package let isUsage: Bool

    /// The length at which a message is cut. Names in files may have megabytes.
    private static let maximumBytes = 4096

    package init(_ description: String, isUsage: Bool = false) {
        self.description = description.asOneLine(limit: Self.maximumBytes)
        self.isUsage = isUsage
    }

    init(_ source: String, _ description: String) {
        self.init("\(source): \(description)")
    }

    /// Creates the error for a manifest whose namespace differs from `--namespace`.
    init(_ source: String, namespace: String, given: String) {
        self.init(
            source,
            "metadata.namespace is \(namespace), but --namespace is \(given); make them equal or leave one out"
        )
    }

    /// Creates the error for a path that cannot be read. A manifest or a value given in place of a path is not quoted.
    ///
    /// - Parameter arguments: The arguments of the command line.
    package init(
        unreadable path: String, _ reason: String, arguments: [String] = MisplacedArguments.own
    ) {
        let problem = Self.problem(ofPath: path) ?? Self.problem(ofMissing: path, reason, arguments)
        self.init(problem ?? "cannot read \(path): \(reason)")
    }

    /// Returns the error for an argument that is not the path of a file and may be a value, or nil if it looks like a path, or
    /// is that of a file or not an argument.
    private static func problem(
        ofMissing path: String, _ reason: String, _ arguments: [String]
    ) -> String? {
        guard (try? FileKind(of: path)).map({ $0 == .missing }) ?? true,
            PathRedaction.printableArgument(path) == nil,
            let place = MisplacedArguments.place(of: path, in: arguments)
        else { return nil }
        return
            "the argument in place \(place) cannot be read as a file (\(reason)), and is not shown, as it may be a value; give the "
            + "path of a file"
    }

    /// Creates the error for a path that cannot be written. A manifest given in place of a path is not quoted.
    package init(unwritable path: String, _ reason: String) {
        self.init(Self.problem(ofPath: path) ?? "cannot write \(path): \(reason)")
    }

    /// Returns the error for an argument that cannot be a path, such as the output of `cat`, or nil if it may be one.
    private static func problem(ofPath argument: String) -> String? {
        let reason: String
        if argument.utf8.contains(where: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) {
            reason = "it has line breaks"
        } else if argument.utf8.count > 4096 {
            reason = "it is longer than 4096 bytes"
        } else {
            return nil
        }
        return "the argument is not a path (\(reason)); pipe the text: \u{2026} | secrets-bridge wrap"
    }
}

/// Checks names from clusters and files before they become parts of paths, URLs and commands. A file can contain any
/// text, and so can the response of a dishonest API server.
enum ObjectNames {
    /// - Throws: `InputError` if the namespace is not a DNS label, or the name not a DNS subdomain.
    static func check(namespace: String?, name: String, _ source: String) throws(InputError) {
        do throws(EnvelopeError) {
            if let namespace { try EnvelopeValidation.check(namespace: namespace) }
            try EnvelopeValidation.check(secretName: name)
        } catch {
            throw InputError(source, error.description)
        }
    }
}
