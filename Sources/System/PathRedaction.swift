/// Recognises a setting that should be the path of a file but holds a key, a token or a certificate. An error that
/// quoted it would print a secret.
package enum PathRedaction {
    /// Returns the path, which an error may quote, or nil if the text looks like the content of a file.
    ///
    /// A path is one line of at most 255 bytes that begins with `/`, `~` or `.`, contains a slash or ends with the
    /// extension of a certificate, key or configuration file, of at most 64 bytes. No part of it looks like a token or
    /// base64.
    package static func printablePath(_ path: String) -> String? {
        let isPath =
            path.contains("/") || path.hasPrefix("~") || path.hasPrefix(".")
            || extensions.contains { path.hasSuffix($0) && path.utf8.count <= 64 }
        return isPath && !mayBeContent(path) ? path : nil
    }

    /// Returns an argument that is not the path of a file, which an error may quote, or nil if it may be a value in place of the
    /// path.
    ///
    /// A path contains a slash, or has the form `name.ext` with an extension of at most 10 lower-case letters and digits. The
    /// limits of `printablePath` hold too.
    package static func printableArgument(_ argument: String) -> String? {
        let parts = argument.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        let hasExtension =
            parts.count > 1 && !parts[0].isEmpty && (1...10).contains(parts[parts.count - 1].count)
            && parts[parts.count - 1].allSatisfy { $0.isASCIILowercase || $0.isASCIIDigit }
        return (argument.contains("/") || hasExtension) && !mayBeContent(argument) ? argument : nil
    }

    private static func mayBeContent(_ path: String) -> Bool {
        !(1...255).contains(path.utf8.count) || path.contains("-----")
            || path.unicodeScalars.contains(where: \.isInvisible) || looksLikeBase64(path)
            || path.split(separator: "/").contains(where: looksLikeToken)
    }

    private static let extensions = [".pem", ".crt", ".cer", ".key", ".yaml", ".yml", ".conf", ".kubeconfig"]
    private static let slash = UInt8(ascii: "/")

    /// Checks the whole text: standard base64 contains slashes, and the parts between them may look harmless.
    private static func looksLikeBase64(_ text: String) -> Bool {
        text.utf8.count >= 40 && text.utf8.allSatisfy { isBase64($0) || $0 == slash } && isMixed(text.utf8)
    }

    private static func looksLikeToken(_ part: Substring) -> Bool {
        // JSON Web Tokens begin with `{"` in base64.
        if part.hasPrefix("eyJ") { return true }
        return part.split { ".-_".contains($0) }.contains { word in
            word.utf8.count >= 20 && isMixed(word.utf8) && word.utf8.allSatisfy(isBase64)
        }
    }

    /// Returns true for characters of base64 except the slash, which also separates the parts of a path.
    private static func isBase64(_ byte: UInt8) -> Bool {
        byte.isASCIILetterOrDigit || "+=".utf8.contains(byte)
    }

    /// File names seldom have upper case, lower case and digits in one long word.
    private static func isMixed(_ text: some Sequence<UInt8>) -> Bool {
        text.contains(where: \.isASCIIUppercase) && text.contains(where: \.isASCIILowercase)
            && text.contains(where: \.isASCIIDigit)
    }
}

extension FileError {
    /// The path and the reason, or only the reason if the path may be a secret (`PathRedaction`).
    package var redactedDescription: String {
        PathRedaction.printablePath(path).map { "\($0): \(reason)" }
            ?? "\(reason); the setting takes the path of a file, not its content"
    }
}
