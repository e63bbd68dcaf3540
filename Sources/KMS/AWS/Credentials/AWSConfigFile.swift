import FoundationEssentials
import Primitives

/// The format of `~/.aws/config` and `~/.aws/credentials`, in secret memory: of what a file holds, only names
/// and the values that are no secrets become `String`.
///
/// As most SDKs read it: keys in any case, the last of several wins, ` #` and ` ;` begin a comment, an
/// indented line goes on with the value above it, and below an empty value it is a setting of its own.
/// (botocore takes comments for a part of the value, and refuses a file that says something twice.)
///
/// Source: AWS SDKs and Tools Reference Guide, "Shared config and credentials files", "Format".
struct AWSConfigFile: Sendable {
    struct Section: Sendable {
        /// As written between the brackets.
        let title: String
        var settings: [String: String] = [:]
        /// Below a key without a value: `kms =` and, indented, `endpoint_url = …`.
        var nested: [String: [String: String]] = [:]
        var secrets: [String: SharedSecret] = [:]
    }

    /// Keys whose values are never in `settings`.
    static let secretKeys: Set = ["aws_secret_access_key", "aws_session_token", "aws_security_token"]
    private static let maximumSize = 1 << 20

    private(set) var sections: [Section] = []
    private let path: String
    /// Of the present section, where an indented line belongs.
    private var openKey: String?

    /// A file that is not there is empty.
    ///
    /// Errors: it cannot be read, or a line is neither a section nor a setting; lines are named, not quoted.
    init(path: String) throws(AWSCredentialsError) {
        self.path = path
        // Not to be seen counts too: the home of a container's user is often somebody else's.
        guard FileStamp(path: path) != nil else { return }
        let content: SecretBytes
        do throws(FileError) {
            content = try SecretBytes(contentsOfFile: path, limit: Self.maximumSize)
        } catch {
            throw AWSCredentialsError(.misconfigured, "the AWS configuration cannot be read: \(error)")
        }
        try content.withUnsafeBytes { bytes throws(AWSCredentialsError) in try parse(bytes) }
    }

    init(path: String, content: borrowing SecretBytes) throws(AWSCredentialsError) {
        self.path = path
        try content.withUnsafeBytes { bytes throws(AWSCredentialsError) in try parse(bytes) }
    }

    private typealias Text = Slice<UnsafeRawBufferPointer>

    private mutating func parse(_ bytes: UnsafeRawBufferPointer) throws(AWSCredentialsError) {
        var number = 0
        for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            let text = Self.trimmed(line)
            guard let first = text.first, !Self.isComment(first) else { continue }
            if first == UInt8(ascii: "["), line.first == first {
                try begin(text, number)
            } else if let key = openKey, let start = line.first, Self.isSpace(start) {
                try goOn(with: text, key, number)
            } else {
                try set(text, number)
            }
        }
    }

    private mutating func begin(_ text: Text, _ number: Int) throws(AWSCredentialsError) {
        guard let end = text.firstIndex(of: UInt8(ascii: "]")) else {
            throw problem(number, "the section has no ]")
        }
        let rest = Self.trimmed(text[(end + 1)...])
        guard rest.first.map(Self.isComment) ?? true else {
            throw problem(number, "something stands behind the section's ]")
        }
        let title = Self.string(Self.trimmed(text[(text.startIndex + 1)..<end]))
        openKey = nil
        // Sections that come again are one.
        if let place = sections.firstIndex(where: { $0.title == title }) {
            sections.append(sections.remove(at: place))
        } else {
            sections.append(Section(title: title))
        }
    }

    private mutating func set(_ text: Text, _ number: Int) throws(AWSCredentialsError) {
        guard let (key, value) = Self.pair(text) else {
            throw problem(number, "expected [section] or key = value")
        }
        guard var section = sections.popLast() else {
            throw problem(number, "a setting stands before the first [section]")
        }
        section.settings[key] = nil
        section.nested[key] = nil
        if Self.secretKeys.contains(key) {
            section.secrets[key] =
                value.isEmpty
                ? nil : SharedSecret(SecretBytes(copying: UnsafeRawBufferPointer(rebasing: value)))
        } else {
            section.settings[key] = Self.string(value)
        }
        sections.append(section)
        openKey = key
    }

    private mutating func goOn(with text: Text, _ key: String, _ number: Int) throws(AWSCredentialsError) {
        guard var section = sections.popLast() else { return }
        defer { sections.append(section) }
        guard !Self.secretKeys.contains(key) else {
            throw problem(number, "\(key) goes on over a second line; it is one word")
        }
        if let value = section.settings[key], !value.isEmpty {
            section.settings[key] = "\(value)\n\(Self.string(text))"
            return
        }
        guard let (inner, value) = Self.pair(text) else {
            throw problem(number, "expected key = value below \(key)")
        }
        section.settings[key] = nil
        section.nested[key, default: [:]][inner] = Self.string(value)
    }

    private func problem(_ line: Int, _ what: String) -> AWSCredentialsError {
        AWSCredentialsError(.misconfigured, "\(path):\(line): \(what)")
    }

    private static func pair(_ text: Text) -> (key: String, value: Text)? {
        // As botocore has it, a colon serves too. Whatever comes first: what is behind it may be a secret.
        guard let end = text.firstIndex(where: { $0 == UInt8(ascii: "=") || $0 == UInt8(ascii: ":") }) else {
            return nil
        }
        let key = string(trimmed(text[..<end])).lowercased()
        var value = text[(end + 1)...]
        let comment = value.indices.dropFirst().first { isComment(value[$0]) && isSpace(value[$0 - 1]) }
        if let comment { value = value[..<comment] }
        return key.isEmpty ? nil : (key, trimmed(value))
    }

    private static func trimmed(_ text: Text) -> Text {
        guard let start = text.firstIndex(where: { !isSpace($0) }),
            let end = text.lastIndex(where: { !isSpace($0) })
        else { return text[text.startIndex..<text.startIndex] }
        return text[start...end]
    }

    private static func string(_ text: Text) -> String { String(decoding: text, as: UTF8.self) }
    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || 0x09...0x0D ~= byte }
    private static func isComment(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "#") || byte == UInt8(ascii: ";")
    }
}
