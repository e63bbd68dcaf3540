/// Whether a setting that names a file really holds a path. Where a key, a token or a certificate stands in its place,
/// an error that quotes the setting would print a secret.
package enum PathRedaction {
    /// The path, as errors show it; nil: the text looks like what the file should hold.
    ///
    /// A path is one line of at most 255 bytes that begins with `/`, `~` or `.`, holds a slash or ends like the name of a
    /// file of certificates. No part of it looks like a token or like base64.
    package static func printablePath(_ path: String) -> String? {
        guard (1...255).contains(path.utf8.count), !path.contains("-----"),
            path.unicodeScalars.allSatisfy({ !$0.isInvisible })
        else { return nil }
        let isPath =
            path.contains("/") || path.hasPrefix("~") || path.hasPrefix(".")
            || extensions.contains { path.hasSuffix($0) && path.utf8.count <= 64 }
        guard isPath, !looksLikeBase64(path), !path.split(separator: "/").contains(where: looksLikeToken)
        else {
            return nil
        }
        return path
    }

    private static let extensions = [".pem", ".crt", ".cer", ".key", ".yaml", ".yml", ".conf", ".kubeconfig"]
    private static let slash = UInt8(ascii: "/")

    /// Standard base64 has slashes of its own.
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

    private static func isBase64(_ byte: UInt8) -> Bool {
        isUpper(byte) || isLower(byte) || isDigit(byte) || "+=".utf8.contains(byte)
    }

    /// Names that people give seldom have upper case, lower case and digits in one long word.
    private static func isMixed(_ text: some Sequence<UInt8>) -> Bool {
        text.contains(where: isUpper) && text.contains(where: isLower) && text.contains(where: isDigit)
    }

    private static func isUpper(_ byte: UInt8) -> Bool { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte }
    private static func isLower(_ byte: UInt8) -> Bool { UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte }
    private static func isDigit(_ byte: UInt8) -> Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte }
}

extension FileError {
    /// The reason, with the path before it only where the setting holds a path (`PathText`).
    package var redactedDescription: String {
        PathRedaction.printablePath(path).map { "\($0): \(reason)" }
            ?? "\(reason); the setting takes the path of a file, not its content"
    }
}
