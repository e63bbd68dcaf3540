package import JSON
import System

extension Verification.Report {
    /// The findings as a log of SARIF 2.1.0, which code scanning services read.
    ///
    /// - Parameters:
    ///   - version: The version of this program.
    ///   - folder: The current folder. Absolute paths below it become relative.
    package func sarif(version: String, folder: String) -> JSONValue {
        let rules = VerificationFinding.Rule.allCases
        return [
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [
                [
                    "tool": [
                        "driver": [
                            "name": "secrets-bridge", "version": .string(version),
                            "informationUri": "https://github.com/secrets-bridge/secrets-bridge",
                            "rules": .array(rules.map(\.sarif)),
                        ]
                    ],
                    // Columns count Unicode scalars.
                    "columnKind": "unicodeCodePoints",
                    "results": .array(findings.map { $0.sarif(rules, folder) }),
                ]
            ],
        ]
    }
}

extension VerificationFinding.Rule {
    private static let help =
        "https://github.com/secrets-bridge/secrets-bridge/blob/main/docs/command-line.md#sarif-and-junit"

    fileprivate var level: String { self == .note ? "note" : "error" }

    fileprivate var sarif: JSONValue {
        [
            "id": .string(rawValue), "shortDescription": ["text": .string(summary)],
            "helpUri": .string(Self.help), "defaultConfiguration": ["level": .string(level)],
        ]
    }
}

extension VerificationFinding {
    fileprivate func sarif(_ rules: [Rule], _ folder: String) -> JSONValue {
        var fields: [(key: String, value: JSONValue)] = [
            ("ruleId", .string(rule.rawValue)),
            ("ruleIndex", .int(rules.firstIndex(of: rule) ?? 0)),
            ("level", .string(rule.level)),
            ("message", ["text": .string(message.escapingInvisibleCharacters)]),
            ("partialFingerprints", ["secretsBridge/v1": .string(fingerprint)]),
        ]
        if let location = location(folder) { fields.append(("locations", .array([location]))) }
        return .object(fields)
    }

    private func location(_ folder: String) -> JSONValue? {
        guard let path else { return nil }
        var physical: [(key: String, value: JSONValue)] = [
            ("artifactLocation", ["uri": .string(ArtifactURI.uri(of: path, in: folder))])
        ]
        if let line, let column {
            physical.append(("region", ["startLine": .int(line), "startColumn": .int(column)]))
        }
        var location: [(key: String, value: JSONValue)] = [("physicalLocation", .object(physical))]
        if let identity {
            location.append(
                (
                    "logicalLocations",
                    [["fullyQualifiedName": .string(identity.escapingInvisibleCharacters), "kind": "object"]]
                ))
        }
        return .object(location)
    }
}

/// Writes paths as URI references (RFC 3986).
enum ArtifactURI {
    /// Returns a relative reference for a path below `folder`, and a `file` URI for any other absolute path.
    static func uri(of path: String, in folder: String) -> String {
        let prefix = folder.hasSuffix("/") ? folder : folder + "/"
        var path = path.hasPrefix(prefix) ? String(path.dropFirst(prefix.count)) : path
        while path.hasPrefix("./") { path = String(path.dropFirst(2)) }
        // A colon is encoded as well, so that no first segment looks like a scheme.
        let encoded = path.utf8.map { byte in
            byte.isASCIILetterOrDigit || "-._~/".utf8.contains(byte)
                ? String(UnicodeScalar(byte))
                : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }.joined()
        return encoded.hasPrefix("/") ? "file://\(encoded)" : encoded
    }
}
