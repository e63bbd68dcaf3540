import Cryptography
import System

/// A problem or a note of `verify`, with its rule and its place, for formats that other programs read.
struct VerificationFinding: Sendable {
    /// A kind of finding. The raw value is its id in SARIF and JUnit, and must not change.
    enum Rule: String, CaseIterable, Sendable {
        case invalidWrappedSecret = "invalid-wrapped-secret"
        case decryptionFailed = "decryption-failed"
        case ruleViolation = "rule-violation"
        case unencryptedSecret = "unencrypted-secret"
        case unreadableFile = "unreadable-file"
        case note = "note"

        var summary: String {
            switch self {
            case .invalidWrappedSecret: "The WrappedSecret is invalid."
            case .decryptionFailed: "The WrappedSecret cannot be decrypted."
            case .ruleViolation: "The WrappedSecret breaks the rule for its path."
            case .unencryptedSecret: "The Secret is not encrypted."
            case .unreadableFile: "The file or path cannot be checked."
            case .note: "The WrappedSecret is valid, but may not be as intended."
            }
        }
    }

    let rule: Rule
    let message: String
    /// The path of the file, or nil if the message does not name one.
    private(set) var path: String?
    private(set) var line: Int?
    private(set) var column: Int?
    /// The namespace and the name of the WrappedSecret.
    let identity: String?

    /// Splits the place off a message of the form `FILE:LINE:COLUMN: text`.
    ///
    /// - Parameter location: `FILE:LINE:COLUMN` of the WrappedSecret, for a message without a place.
    init(_ rule: Rule, _ text: String, location: String? = nil, identity: String? = nil) {
        self.rule = rule
        self.identity = identity
        if let place = SourcePlace(startOf: text) {
            message = String(text.dropFirst(place.prefixCount))
            (path, line, column) = (place.path, place.line, place.column)
        } else {
            message = text
            path = Self.path(startOf: text)
        }
        guard let location, let place = SourcePlace(location) else { return }
        // The path in a message is escaped for terminals.
        path = place.path
        line = line ?? place.line
        column = column ?? place.column
    }

    /// Returns the path of `FILE: text` and of `cannot read FILE: text`. A path with spaces is not recognized.
    private static func path(startOf text: String) -> String? {
        let unread = "cannot read "
        let text = text.hasPrefix(unread) ? text.dropFirst(unread.count) : text[...]
        guard let end = text.firstRange(of: ": ")?.lowerBound, end > text.startIndex else { return nil }
        return text[..<end].contains(where: \.isWhitespace) ? nil : String(text[..<end])
    }

    /// Identifies the finding after lines were added above it: a hash of rule, path, WrappedSecret and message, without
    /// numbers.
    var fingerprint: String {
        let text = message.unicodeScalars.filter { !("0"..."9").contains($0) }.map(String.init).joined()
        let parts = [rule.rawValue, path ?? "", identity ?? "", text].joined(separator: "\u{0}")
        return hex((try? sha256(Array(parts.utf8))) ?? [])
    }
}

/// A place of the form `FILE:LINE:COLUMN`.
struct SourcePlace: Equatable {
    let path: String
    let line: Int
    let column: Int
    /// The number of characters up to the text after the place.
    private(set) var prefixCount = 0

    init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count > 2, let line = Int(parts[parts.count - 2]),
            let column = Int(parts[parts.count - 1]),
            line > 0, column > 0
        else { return nil }
        path = parts.dropLast(2).joined(separator: ":")
        self.line = line
        self.column = column
    }

    /// Returns the place before the first `: ` that follows one.
    init?(startOf text: String) {
        for end in text.ranges(of: ": ") {
            guard var place = SourcePlace(String(text[..<end.lowerBound])) else { continue }
            place.prefixCount = text.distance(from: text.startIndex, to: end.upperBound)
            self = place
            return
        }
        return nil
    }
}

extension Verification.Report {
    /// The problems and notes of the files and of all WrappedSecrets.
    var findings: [VerificationFinding] {
        items.flatMap(\.findings) + fileFindings
    }

    /// The problems and notes that belong to no WrappedSecret.
    var fileFindings: [VerificationFinding] {
        let known = Set(items.flatMap { $0.problems + $0.notes })
        return problems.filter { !known.contains($0) }.map { problem in
            VerificationFinding(
                unencrypted.contains(problem) ? .unencryptedSecret : .unreadableFile, problem)
        } + notes.filter { !known.contains($0) }.map { VerificationFinding(.note, $0) }
    }
}

extension VerifiedItem {
    /// `NAMESPACE/NAME`
    var identity: String { (namespace.map { "\($0)/" } ?? "") + (name ?? "") }

    var findings: [VerificationFinding] {
        let rule = isDecryptionFailure ? VerificationFinding.Rule.decryptionFailed : .invalidWrappedSecret
        return [problem].compactMap(\.self).map {
            VerificationFinding(rule, $0, location: location, identity: identity)
        }
            + ruleProblems.map {
                VerificationFinding(.ruleViolation, $0, location: location, identity: identity)
            } + notes.map { VerificationFinding(.note, $0, location: location, identity: identity) }
    }
}
