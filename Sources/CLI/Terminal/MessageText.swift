import System

extension String {
    /// The text as one word of a POSIX shell, for commands in messages. A name from a file must not become a command of
    /// the user who copies one.
    package var shellQuoted: String {
        let isPlain =
            !isEmpty && utf8.allSatisfy { $0.isASCIILetterOrDigit || "-_./:=@,+".utf8.contains($0) }
        return isPlain ? self : "'" + unicodeScalars.map { $0 == "'" ? "'\\''" : String($0) }.joined() + "'"
    }

    /// The path of a file as one word of a shell command that no program takes for an option: `./-x.yaml`.
    package var shellQuotedPath: String {
        (hasPrefix("-") && self != "-" ? "./\(self)" : self).shellQuoted
    }
}

/// Escapes the arguments that ArgumentParser's messages quote.
package enum QuotedArguments {
    /// Escapes invisible characters such as line breaks in arguments that `text` quotes. The text's own line breaks
    /// stay.
    package static func escape(_ arguments: [String], in text: String) -> String {
        var result = text
        for argument in arguments where argument.escapingInvisibleCharacters != argument {
            for part in parts(of: argument) {
                let escaped = part.escapingInvisibleCharacters
                if escaped != part { result = result.replacing("'\(part)'", with: "'\(escaped)'") }
            }
        }
        return result
    }

    /// Returns the argument, and the name and the value of `--name=value` and `-nvalue`.
    private static func parts(of argument: String) -> [String] {
        var parts = [argument]
        guard argument.hasPrefix("-") else { return parts }
        parts += argument.split(separator: "=", maxSplits: 1).map(String.init)
        parts.append(String(argument.dropFirst(2)))
        return parts
    }
}

/// Returns a text that is not secret in quotes, cut to 80 characters, with all but printable ASCII escaped.
func quoted(_ text: String) -> String {
    "\"" + text.unicodeScalars.prefix(80).map { $0.escaped(asASCII: true) }.joined() + "\""
}

/// Returns kind and version of an object for a message. It quotes them only if they look like ones, as a misplaced value
/// may be in their place.
func describeKind(_ kind: String, _ version: String) -> String {
    let isKind = kind.utf8.count <= 63 && kind.utf8.allSatisfy(\.isASCIILetterOrDigit)
    let isVersion =
        version.utf8.count <= 253
        && version.utf8.allSatisfy { $0.isASCIILetterOrDigit || "./-".utf8.contains($0) }
    return isKind && isVersion ? "kind \(quoted(kind)) of \(quoted(version))" : "another kind or apiVersion"
}

/// Returns a count with its noun, as in `1 file` and `2 files`.
package func pluralized(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
