import Cryptography
package import Envelope
import System

/// The fingerprints of the recipient files that this user has wrapped with, like known_hosts of ssh: a file whose key was
/// replaced is refused until the user confirms the new fingerprint.
///
/// A pin belongs to the key, not to one of its versions, because a file that was tampered with may name any version. The path
/// of the file has a pin too, because a file that was tampered with may also name another key.
package struct KnownRecipients: Sendable {
    /// One line of the file: `<owner> <fingerprint>`.
    private struct Pin: Equatable {
        /// A key id without version, or `file:` and the SHA-256 of a path in hexadecimal digits.
        let owner: String
        let fingerprint: String

        func hasOwner(_ other: String) -> Bool { owner.utf8.elementsEqual(other.utf8) }
    }

    package let path: String
    private static let maximumBytes = 1 << 20
    private static let header =
        "# Keys that secrets-bridge wrap --recipient has used; see docs/recipients.md.\n"

    package init(path: String) { self.path = path }

    /// Returns the path of the file for a user, or nil without a home folder.
    package static func path(configurationHome: String?, home: String?) -> String? {
        let folder =
            configurationHome.flatMap { $0.hasPrefix("/") ? $0 : nil } ?? home.map { "\($0)/.config" }
        return folder.map { "\($0)/secrets-bridge/known-recipients" }
    }

    /// Checks keys against their pins, and pins those of unknown keys.
    ///
    /// - Parameters:
    ///   - keys: The keys with the paths of their files.
    ///   - confirmed: The fingerprints that the user confirms.
    ///   - records: False if unknown keys are not pinned, because nothing is wrapped for them.
    /// - Returns: Notes for the user.
    /// - Throws: `InputError` if a known key or file has another fingerprint, two files have different keys of the same id, or
    ///   the pins cannot be read or written.
    package func check(
        _ keys: [(source: String, key: RecipientKey)], confirmed: [String] = [], records: Bool = true
    ) throws(InputError) -> [String] {
        if let unused = confirmed.first(where: { text in !keys.contains { $0.key.fingerprint == text } }) {
            throw InputError(
                "--accept-new-key \(unused): no recipient file has this fingerprint; give that of the message",
                isUsage: true)
        }
        // Most runs find all keys known and change nothing.
        guard try !newPins(keys, read().pins, confirmed).added.isEmpty, records else { return [] }
        do {
            if let slash = path.lastIndex(of: "/") {
                try FolderCreation.createFolderAndParents(String(path[..<slash]))
            }
            return try FileLock.withLock("\(path).lock") {
                let (pins, contents) = try read()
                let (added, notes) = try newPins(keys, pins, confirmed)
                if !added.isEmpty { try write(added, after: contents) }
                return notes
            }
        } catch let error as FileError {
            throw InputError(
                unwritable: path, "\(error.reason); --no-pin wraps without recording the fingerprint")
        } catch let error as InputError {
            throw error
        } catch {
            throw InputError(unwritable: path, "\(error)")
        }
    }

    private func newPins(
        _ keys: [(source: String, key: RecipientKey)], _ pins: [Pin], _ confirmed: [String]
    ) throws(InputError) -> (added: [Pin], notes: [String]) {
        var (added, notes): ([Pin], [String]) = ([], [])
        for (index, (source, key)) in keys.enumerated() {
            try Self.checkSameKey(source, key, keys[..<index])
            for (owner, name) in try Self.owners(source, key) {
                let pin = Pin(owner: owner, fingerprint: key.fingerprint)
                let known = pins.filter { $0.hasOwner(owner) }
                guard !known.contains(pin), !added.contains(pin) else { continue }
                if !known.isEmpty, !confirmed.contains(key.fingerprint) {
                    throw changedKey(source, name, key, known)
                }
                added.append(pin)
                // The pin of the path needs no note of its own.
                guard let name else { continue }
                notes.append(
                    "\(source): recorded \(key.fingerprint) as \(known.isEmpty ? "the key" : "a further key") of \(name) in \(path)"
                )
            }
        }
        return (added, notes)
    }

    /// Rejects a key if another file has the same version of it with another public half: one of the two is forged.
    private static func checkSameKey(
        _ source: String, _ key: RecipientKey, _ others: ArraySlice<(source: String, key: RecipientKey)>
    ) throws(InputError) {
        guard
            let other = others.first(where: {
                $0.key.keyID.utf8.elementsEqual(key.keyID.utf8) && $0.key.keyVersion == key.keyVersion
                    && $0.key.fingerprint != key.fingerprint
            })
        else { return }
        throw InputError(
            source,
            "the key of \(key.keyID) has the fingerprint \(key.fingerprint), and in \(other.source) \(other.key.fingerprint); "
                + "compare both with that of the key's owner, and correct one of the files")
    }

    /// Returns what a key is pinned to, each with its name in messages: the key id, and the path of a file, which has no name.
    private static func owners(
        _ source: String, _ key: RecipientKey
    ) throws(InputError) -> [(owner: String, name: String?)] {
        let keyID = key.keyIDWithoutVersion
        guard !DescriptorPath.isStream(source), let file = AbsolutePath(existing: source) else {
            return [(keyID, keyID)]
        }
        do throws(CryptoError) {
            // A path may have blanks, and need not be readable in the user's settings.
            return [(keyID, keyID), ("file:\(hex(try sha256(Array(file.path.utf8))))", nil)]
        } catch {
            throw InputError(source, "\(error)")
        }
    }

    private func changedKey(
        _ source: String, _ name: String?, _ key: RecipientKey, _ known: [Pin]
    ) -> InputError {
        let earlier = known.map(\.fingerprint).joined(separator: " and ")
        let subject =
            name.map {
                "the key of \($0) has the fingerprint \(key.fingerprint), which differs from \(earlier)"
            }
            ?? "the file now has the key \(key.keyID) with the fingerprint \(key.fingerprint); it had one with \(earlier)"
        return InputError(
            source,
            "\(subject) in \(path); if the key was \(name == nil ? "replaced" : "rotated"), compare the new fingerprint with that "
                + "of the key's owner, and confirm it with --accept-new-key \(key.fingerprint)")
    }

    private func read() throws(InputError) -> (pins: [Pin], contents: SharedSecret) {
        let contents: SharedSecret
        do throws(FileError) {
            if case .missing = try FileKind(of: path) { return ([], SharedSecret(copying: Self.header.utf8)) }
            contents = SharedSecret(try SecretBytes(contentsOfFile: path, limit: Self.maximumBytes))
        } catch {
            throw InputError(unreadable: path, error.reason)
        }
        let text = contents.bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        var pins: [Pin] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if line.isEmpty || line.hasPrefix("#") { continue }
            let words = line.split(separator: " ", omittingEmptySubsequences: false)
            guard words.count == 2, RecipientKey.isFingerprint(words[1]) else {
                throw InputError(
                    "\(path):\(index + 1)", "the line is not <key id> <fingerprint>; correct or remove it")
            }
            pins.append(Pin(owner: String(words[0]), fingerprint: String(words[1])))
        }
        return (pins, contents)
    }

    private func write(_ added: [Pin], after contents: SharedSecret) throws(FileError) {
        var text = SecretBuffer(capacity: contents.count + 256 * added.count)
        text.append(contents.bytes)
        let endsLine = contents.bytes.withUnsafeBytes { $0.last.map { $0 == UInt8(ascii: "\n") } ?? true }
        if !endsLine { text.append("\n") }
        for pin in added { text.append(Array("\(pin.owner) \(pin.fingerprint)\n".utf8)) }
        try OutputFile(path, permissions: .ownerOnly).write(text.finish())
    }
}

extension RecipientKey {
    /// The key id without the version that those of `gcp-kms` and `azure-key-vault` end with.
    var keyIDWithoutVersion: String {
        switch backend {
        case "gcp-kms":
            keyID.firstRange(of: "/cryptoKeyVersions/").map { String(keyID[..<$0.lowerBound]) } ?? keyID
        case "azure-key-vault": keyID.lastIndex(of: "/").map { String(keyID[..<$0]) } ?? keyID
        default: keyID
        }
    }

    /// Returns true for `sha256:` and 64 lower-case hexadecimal digits.
    package static func isFingerprint(_ text: some StringProtocol) -> Bool {
        let digits = text.utf8.dropFirst("sha256:".utf8.count)
        return text.utf8.starts(with: "sha256:".utf8) && digits.count == 64
            && digits.allSatisfy { $0.isASCIIDigit || UInt8(ascii: "a")...UInt8(ascii: "f") ~= $0 }
    }
}
