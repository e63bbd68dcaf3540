import Cryptography
import FoundationEssentials

/// The format of the shared configuration, read as botocore reads it: what is indented deeper than the key above goes on
/// with its value, or is a setting of its own where that value is empty; keys have any case, `=` or `:` ends them, a
/// section ends at the last `]` of its line, `[DEFAULT]` has settings for all sections of the file.
///
/// More is accepted than botocore takes, where it would refuse the whole file: sections and keys that come twice (the last
/// wins), and a line that cannot be read (only its section is lost). As the other SDKs have it, ` #` and ` ;` behind a
/// value begin a comment; in `credential_process`, which is a command line, they do not.
///
/// Source: botocore's configloader, with Python's configparser; AWS SDKs and Tools Reference Guide, "Shared config and
/// credentials files", "Format".
struct AWSConfigParser {
    typealias Section = AWSConfigFile.Section
    private typealias Text = Whitespace.Text

    /// The keys of botocore, and of the services that we call, that have settings below them.
    private static let nestingKeys: Set = ["s3", "s3api", "dynamodb", "kms", "sts", "sso", "sso_oidc"]

    private let path: String
    private var sections: [Section] = []
    private var number = 0
    /// How far the line is indented that an indented one may go on with.
    private var indentation = 0
    private var open: OpenKey?

    /// The key of the present section whose value may go on.
    private struct OpenKey {
        let name: String
        let line: Int
        /// Empty in `lines` of a secret, whose value is stored at once.
        var lines: [String]
        var isSecret: Bool { AWSConfigFile.secretKeys.contains(name) }
    }

    init(path: String) {
        self.path = path
    }

    /// Errors: a setting before the first section.
    mutating func parse(_ bytes: UnsafeRawBufferPointer) throws(AWSCredentialsError) -> [Section] {
        var rest = bytes[...]
        while !rest.isEmpty {
            let line = rest.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
            rest = rest.dropFirst(line.count)
            let isCRLF = rest.starts(with: [UInt8(ascii: "\r"), UInt8(ascii: "\n")])
            rest = rest.dropFirst(isCRLF ? 2 : 1)
            number += 1
            try read(line)
        }
        closeKey()
        return sharingDefaults()
    }

    private mutating func read(_ line: Text) throws(AWSCredentialsError) {
        let text = Whitespace.trimmed(line)
        guard let first = text.first else {
            open?.lines.append("")
            return
        }
        guard !Self.isComment(first) else { return }
        let depth = Self.depth(of: line)
        if open != nil, depth > indentation { return goOn(with: text) }
        closeKey()
        indentation = depth
        if first == UInt8(ascii: "["), begin(text) { return }
        try set(text)
    }

    /// Returns false if the line is no section's, which does not say yet that it is a setting.
    private mutating func begin(_ text: Text) -> Bool {
        guard let end = Self.endOfTitle(text) else {
            // As botocore has it, `[key = value` is a setting with an odd name.
            guard Self.delimiter(in: text) == nil else { return false }
            start(text.dropFirst())
            note(number, "the section has no ]")
            return true
        }
        start(text[(text.startIndex + 1)..<end])
        return true
    }

    private mutating func start(_ title: Text) {
        let title = Self.string(Whitespace.trimmed(title))
        // Sections that come again are one.
        if let place = sections.firstIndex(where: { $0.title == title }) {
            sections.append(sections.remove(at: place))
        } else {
            sections.append(Section(title: title))
        }
    }

    private mutating func set(_ text: Text) throws(AWSCredentialsError) {
        guard !sections.isEmpty else {
            throw AWSCredentialsError(
                .misconfigured, "\(path):\(number): a setting stands before the first [section]")
        }
        guard let end = Self.delimiter(in: text), end > text.startIndex else {
            return note(number, "expected [section] or key = value")
        }
        let key = Self.string(Whitespace.trimmed(text[..<end])).lowercased()
        guard !Self.mayHoldSecret(key) else {
            return note(number, "expected key = value, with one word as the key")
        }
        let value = Self.value(text[(end + 1)...], of: key)
        change { section in
            section.settings[key] = nil
            section.nested[key] = nil
            section.secrets[key] = nil
            if AWSConfigFile.secretKeys.contains(key), !value.isEmpty {
                section.secrets[key] = SharedSecret(
                    SecretBytes(copying: UnsafeRawBufferPointer(rebasing: value)))
            }
        }
        var open = OpenKey(name: key, line: number, lines: [])
        if !open.isSecret { open.lines = [Self.string(value)] }
        self.open = open
    }

    private mutating func goOn(with text: Text) {
        guard let key = open else { return }
        if key.isSecret { return note(number, "\(key.name) goes on over a second line; it is one word") }
        if key.lines.first == "" {
            // The lines are settings; what is in them is read once all of them are there.
            let pair = Self.delimiter(in: text, equalsAlone: true)
            guard let pair else {
                // A key may be a piece of a value: one that is known is none.
                let shown = Self.nestingKeys.contains(key.name) ? key.name : "the key above"
                return note(number, "expected key = value below \(shown)")
            }
            let name = Self.string(Whitespace.trimmed(text[..<pair])).lowercased()
            let value = Self.string(Self.value(text[(pair + 1)...], of: key.name))
            change { $0.nested[key.name, default: [:]][name] = value }
        } else {
            open?.lines.append(Self.string(text))
        }
    }

    private mutating func closeKey() {
        defer { open = nil }
        guard var key = open, !key.isSecret else { return }
        while key.lines.count > 1, key.lines.last == "" { key.lines.removeLast() }
        change { section in
            if section.nested[key.name] == nil {
                section.settings[key.name] = key.lines.joined(separator: "\n")
            }
        }
    }

    private mutating func change(_ body: (inout Section) -> Void) {
        guard !sections.isEmpty else { return }
        body(&sections[sections.count - 1])
    }

    /// The lines are named and never quoted: any of them may hold a secret.
    private mutating func note(_ line: Int, _ problem: String) {
        let error = AWSCredentialsError(.misconfigured, "\(path):\(line): \(problem)")
        change { if $0.parseError == nil { $0.parseError = error } }
    }

    private func sharingDefaults() -> [Section] {
        guard let defaults = sections.first(where: { $0.title == "DEFAULT" }) else { return sections }
        return sections.filter { $0.title != "DEFAULT" }.map { section in
            var section = section
            for (key, value) in defaults.settings where section.lacks(key) { section.settings[key] = value }
            for (key, value) in defaults.nested where section.lacks(key) { section.nested[key] = value }
            section.secrets.merge(defaults.secrets) { own, _ in own }
            section.parseError = section.parseError ?? defaults.parseError
            return section
        }
    }

    /// Whether a key is a line that lacks its delimiter, such as `aws_secret_access_key x=`, or an `export` of a shell.
    private static func mayHoldSecret(_ key: String) -> Bool {
        let words = key.split(whereSeparator: \.isWhitespace)
        return words.count > 1 && words.contains { AWSConfigFile.secretKeys.contains(String($0)) }
    }

    /// The last `]`, if something is before it; the first one where a comment comes after it.
    private static func endOfTitle(_ text: Text) -> Text.Index? {
        if let first = text.firstIndex(of: UInt8(ascii: "]")), first > text.startIndex + 1,
            let next = Whitespace.trimmed(text[(first + 1)...]).first, isComment(next)
        {
            return first
        }
        return text.lastIndex(of: UInt8(ascii: "]")).flatMap { $0 > text.startIndex + 1 ? $0 : nil }
    }

    private static func delimiter(in text: Text, equalsAlone: Bool = false) -> Text.Index? {
        // Whichever comes first: what is behind it may be a secret.
        text.firstIndex { $0 == UInt8(ascii: "=") || (!equalsAlone && $0 == UInt8(ascii: ":")) }
    }

    private static func value(_ text: Text, of key: String) -> Text {
        guard key != "credential_process" else { return Whitespace.trimmed(text) }
        let comment = text.indices.dropFirst().first {
            isComment(text[$0]) && Whitespace.isASCIIWhitespace(text[$0 - 1])
        }
        return Whitespace.trimmed(comment.map { text[..<$0] } ?? text)
    }

    /// In characters.
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

extension AWSConfigFile.Section {
    fileprivate func lacks(_ key: String) -> Bool { settings[key] == nil && nested[key] == nil }
}
