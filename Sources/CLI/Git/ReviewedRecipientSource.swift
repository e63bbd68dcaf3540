package import Cryptography
import Envelope
package import JSON
import System

/// A changed file that decides for whom values are wrapped: a recipient file or a rules file. A review shows it, because all
/// users who follow it wrap for its keys from then on.
package struct ReviewedRecipientSource: Sendable {
    enum Subject: String {
        case recipientFile = "recipient file"
        case rulesFile = "rules file"
    }

    let subject: Subject
    let kind: ReviewedChange.Kind
    let path: String
    /// The key ids, versions and fingerprints of a recipient file, or nil without a valid one.
    let oldKey: String?
    let newKey: String?

    /// Returns nil for other files.
    init?(_ file: CommittedFile) {
        path = file.path
        kind = file.old == nil ? .added : file.new == nil ? .removed : .changed
        (oldKey, newKey) = (Self.key(in: file.old), Self.key(in: file.new))
        if CommittedFile.isRulesFile(file.path) {
            subject = .rulesFile
        } else if oldKey != newKey {
            subject = .recipientFile
        } else {
            return nil
        }
    }

    /// Orders by the harm that an overlooked change does.
    var rank: Int {
        switch (subject, kind) {
        case (.recipientFile, .added): 1
        case (.recipientFile, _): 0
        case (.rulesFile, _): 2
        }
    }

    private static func key(in contents: SharedSecret?) -> String? {
        guard let contents, CommittedFile.mayBeRecipientFile(contents),
            let key = try? RecipientFile.parse(contents.bytes, source: "")
        else { return nil }
        return [key.keyID, key.keyVersion.map { "v\($0)" }, key.fingerprint].compactMap(\.self).joined(
            separator: " ")
    }

    package var value: JSONValue {
        let name = subject == .rulesFile ? "rulesFile" : "recipientFile"
        return .object(
            [("change", kind.rawValue), (name, path), ("oldKey", oldKey), ("newKey", newKey)].compactMap {
                key, text in
                text.map { (key: key, value: .string($0)) }
            })
    }
}

extension CommittedFile {
    package static func isRulesFile(_ path: String) -> Bool {
        path.split(separator: "/").last.map { $0 == RulesFile.name } ?? false
    }

    /// Returns false for a file that need not be parsed.
    package static func mayBeRecipientFile(_ contents: SharedSecret) -> Bool {
        ManifestFile.mayMention("publicKey", in: contents)
    }
}
