import Cryptography
import FoundationEssentials
import Settings

/// Parses the shared configuration as botocore does:
///
/// - A line that is indented deeper than the key above continues its value, or is a nested setting if that value is empty.
/// - Keys are case-insensitive and end at `=` or `:`. A section title ends at the last `]` of its line.
/// - `[DEFAULT]` has settings for all sections of the file.
///
/// Where botocore would reject the whole file, this parser accepts repeated sections and keys (the last one wins) and
/// skips the section of an invalid line. As in the other SDKs, ` #` and ` ;` after a value begin a comment, except in
/// `credential_process`, which is a command line.
///
/// Source: botocore's configloader, with Python's configparser; AWS SDKs and Tools Reference Guide, "Shared config and
/// credentials files", "Format".
struct AWSConfigParser {
    typealias Section = AWSConfigFile.Section
    private typealias Text = Whitespace.Text

    /// The keys that have nested settings in botocore or for the services used here.
    private static let nestingKeys: Set = ["s3", "s3api", "dynamodb", "kms", "sts", "sso", "sso_oidc"]

    /// `[DEFAULT]` is copied to each section that is used.
    private static let maximumDefaults = 256

    private static let defaultsTitle = "DEFAULT"

    private let path: String
    private var sections: [Section] = []
    /// The indices of the sections by their titles.
    private var indices: [String: Int] = [:]
    /// The line on which each section began last.
    private var lastLines: [Int] = []
    /// The index of the section that the next settings are in.
    private var current: Int?
    private var lineNumber = 0
    /// The indentation of the last key; deeper lines continue its value.
    private var indentation = 0
    private var open: OpenKey?

    /// The last key of the current section, whose value may continue on the next line.
    private struct OpenKey {
        let name: String
        let line: Int
        /// The value's lines. A secret has none: its value is stored at once.
        var lines: [String]
        var isSecret: Bool { AWSConfigFile.secretKeys.contains(name) }
    }

    init(path: String) {
        self.path = path
    }

    /// Returns the sections in the order of their last titles, and apart from them `[DEFAULT]`.
    ///
    /// - Throws: `AWSCredentialsError` for a setting before the first section, or too many in `[DEFAULT]`.
    mutating func parse(
        _ bytes: UnsafeRawBufferPointer
    ) throws(AWSCredentialsError) -> (sections: [Section], defaults: Section?) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let line = rest.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
            rest = rest.dropFirst(line.count)
            let isCRLF = rest.starts(with: [UInt8(ascii: "\r"), UInt8(ascii: "\n")])
            rest = rest.dropFirst(isCRLF ? 2 : 1)
            lineNumber += 1
            try parseLine(line)
        }
        closeKey()
        let defaults = try checkedDefaults()
        let sorted = zip(lastLines, sections).sorted { $0.0 < $1.0 }.map(\.1)
        return (sorted.filter { $0.title != Self.defaultsTitle }, defaults)
    }

    private mutating func parseLine(_ line: Text) throws(AWSCredentialsError) {
        let text = Whitespace.trimmed(line)
        guard let first = text.first else {
            open?.lines.append("")
            return
        }
        guard !Self.isComment(first) else { return }
        let depth = Self.depth(of: line)
        if open != nil, depth > indentation { return continueValue(with: text) }
        closeKey()
        indentation = depth
        if first == UInt8(ascii: "["), parseSectionTitle(text) { return }
        try parseSetting(text)
    }

    /// - Returns: False if the line is not a section title; it may be a setting.
    private mutating func parseSectionTitle(_ text: Text) -> Bool {
        guard let end = Self.endOfTitle(text) else {
            // In botocore, `[key = value` is a setting whose key begins with a bracket.
            guard Self.delimiter(in: text) == nil else { return false }
            beginSection(text.dropFirst())
            recordError("the section has no ]")
            return true
        }
        beginSection(text[(text.startIndex + 1)..<end])
        return true
    }

    private mutating func beginSection(_ title: Text) {
        let title = Self.string(Whitespace.trimmed(title))
        // A repeated section continues the first one, and takes its place after those before it.
        if let index = indices[title] {
            lastLines[index] = lineNumber
            current = index
        } else {
            indices[title] = sections.count
            current = sections.count
            sections.append(Section(title: title))
            lastLines.append(lineNumber)
        }
    }

    private mutating func parseSetting(_ text: Text) throws(AWSCredentialsError) {
        guard current != nil else {
            throw AWSCredentialsError(
                .misconfigured,
                "\(path):\(lineNumber): the setting is before the first [section]; move it into a section")
        }
        guard let end = Self.delimiter(in: text), end > text.startIndex else {
            return recordError("expected [section] or key = value")
        }
        let key = Self.string(Whitespace.trimmed(text[..<end])).lowercased()
        guard !Self.mayHoldSecret(key) else {
            return recordError("expected key = value, with one word as the key")
        }
        let value = Self.value(text[(end + 1)...], of: key)
        updateSection { section in
            section.settings[key] = nil
            section.nested[key] = nil
            section.secrets[key] = nil
            if AWSConfigFile.secretKeys.contains(key), !value.isEmpty {
                section.secrets[key] = SharedSecret(
                    SecretBytes(copying: UnsafeRawBufferPointer(rebasing: value)))
            }
        }
        var open = OpenKey(name: key, line: lineNumber, lines: [])
        if !open.isSecret { open.lines = [Self.string(value)] }
        self.open = open
    }

    private mutating func continueValue(with text: Text) {
        guard let key = open else { return }
        if key.isSecret { return recordError("\(key.name) continues on a second line; write it as one word") }
        if key.lines.first == "" {
            guard let end = Self.delimiter(in: text, equalsAlone: true) else {
                // An unknown key may be a part of a secret, so only known keys are shown.
                let shown = Self.nestingKeys.contains(key.name) ? key.name : "the key above"
                return recordError("expected key = value below \(shown)")
            }
            let name = Self.string(Whitespace.trimmed(text[..<end])).lowercased()
            let value = Self.string(Self.value(text[(end + 1)...], of: key.name))
            updateSection { $0.nested[key.name, default: [:]][name] = value }
        } else {
            open?.lines.append(Self.string(text))
        }
    }

    private mutating func closeKey() {
        defer { open = nil }
        guard var key = open, !key.isSecret else { return }
        while key.lines.count > 1, key.lines.last == "" { key.lines.removeLast() }
        updateSection { section in
            if section.nested[key.name] == nil {
                section.settings[key.name] = key.lines.joined(separator: "\n")
            }
        }
    }

    private mutating func updateSection(_ body: (inout Section) -> Void) {
        guard let current else { return }
        body(&sections[current])
    }

    /// Records the line's number and never its text, which may hold a secret.
    private mutating func recordError(_ problem: String) {
        let error = AWSCredentialsError(.misconfigured, "\(path):\(lineNumber): \(problem)")
        updateSection { if $0.parseError == nil { $0.parseError = error } }
    }

    private func checkedDefaults() throws(AWSCredentialsError) -> Section? {
        guard let defaults = indices[Self.defaultsTitle].map({ sections[$0] }) else { return nil }
        let count = defaults.settings.count + defaults.nested.count + defaults.secrets.count
        guard count <= Self.maximumDefaults else {
            throw AWSCredentialsError(
                .misconfigured,
                "\(path): [DEFAULT] has more than \(Self.maximumDefaults) settings; move them to the profiles that use them"
            )
        }
        return defaults
    }

    /// Returns true for a key of several words that contains a secret's name, such as `aws_secret_access_key x=` without
    /// its delimiter, or an `export` of a shell.
    private static func mayHoldSecret(_ key: String) -> Bool {
        let words = key.split(whereSeparator: \.isWhitespace)
        return words.count > 1 && words.contains { AWSConfigFile.secretKeys.contains(String($0)) }
    }

    /// Returns the last `]` after a title that is not empty, or the first `]` if a comment follows it.
    private static func endOfTitle(_ text: Text) -> Text.Index? {
        if let first = text.firstIndex(of: UInt8(ascii: "]")), first > text.startIndex + 1,
            let next = Whitespace.trimmed(text[(first + 1)...]).first, isComment(next)
        {
            return first
        }
        return text.lastIndex(of: UInt8(ascii: "]")).flatMap { $0 > text.startIndex + 1 ? $0 : nil }
    }

    private static func delimiter(in text: Text, equalsAlone: Bool = false) -> Text.Index? {
        // The first delimiter counts: the text after it may be a secret.
        text.firstIndex { $0 == UInt8(ascii: "=") || (!equalsAlone && $0 == UInt8(ascii: ":")) }
    }

    private static func value(_ text: Text, of key: String) -> Text {
        guard key != "credential_process" else { return Whitespace.trimmed(text) }
        let comment = text.indices.dropFirst().first {
            isComment(text[$0]) && Whitespace.isASCIIWhitespace(text[$0 - 1])
        }
        return Whitespace.trimmed(comment.map { text[..<$0] } ?? text)
    }

    /// Returns the indentation in characters.
    private static func depth(of line: Text) -> Int {
        var line = line
        var depth = 0
        while case let count = Whitespace.leadingByteCount(line), count > 0 {
            line = line.dropFirst(count)
            depth += 1
        }
        return depth
    }

    private static func string(_ text: Text) -> String { String(decoding: text, as: UTF8.self) }
    private static func isComment(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "#") || byte == UInt8(ascii: ";")
    }
}
