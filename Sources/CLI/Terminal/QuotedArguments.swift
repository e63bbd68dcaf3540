import System

/// Arguments as a parser's messages quote them.
package enum QuotedArguments {
    /// Escapes invisible characters, as line breaks, of arguments that stand between ' in `text`; its own line breaks stay.
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

    /// The argument, and the name and the value of `--name=value` and `-nvalue`.
    private static func parts(of argument: String) -> [String] {
        var parts = [argument]
        guard argument.hasPrefix("-") else { return parts }
        parts += argument.split(separator: "=", maxSplits: 1).map(String.init)
        parts.append(String(argument.dropFirst(2)))
        return parts
    }
}
