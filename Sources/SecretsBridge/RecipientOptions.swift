import ArgumentParser
import CLI
import Envelope
import KMS
import Settings

/// Recipient files, whose keys wrap offline.
struct RecipientOptions: ParsableArguments {
    @Option(
        name: .customLong("recipient"), parsing: .singleValue,
        help: ArgumentHelp(
            """
            Wrap with the public key in this file, which recipient export writes. Wrapping needs no KMS then. May be repeated.
            """, valueName: "file"),
        completion: .file(extensions: ["yaml", "yml"]))
    var files: [String] = []

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "Accept this new fingerprint of a recipient file whose key was rotated. May be repeated.",
            valueName: "fingerprint"))
    var acceptNewKey: [String] = []

    @Flag(
        help:
            "Do not compare fingerprints of recipient files with those of earlier runs, and do not record them."
    )
    var noPin = false

    func validate() throws {
        guard files.count <= EnvelopeValidation.maximumRecipients else {
            throw ValidationError(
                "--recipient is given \(files.count) times; a WrappedSecret has \(EnvelopeValidation.maximumRecipients) "
                    + "recipients at most")
        }
        guard !noPin || acceptNewKey.isEmpty else {
            throw ValidationError("--no-pin records no fingerprint; leave out --accept-new-key")
        }
        for text in acceptNewKey where !RecipientKey.isFingerprint(text) {
            throw ValidationError(
                "--accept-new-key \(text.debugDescription) is not a fingerprint (sha256: and 64 hexadecimal digits)"
            )
        }
        try checkStandardInputIsReadOnce(files)
    }

    /// Reads the files, and compares their fingerprints with those of earlier runs.
    ///
    /// - Parameters:
    ///   - ruleFiles: The recipient files of rules, which the command wraps for too, and which are compared with them. Nil if
    ///     rules have no part in it.
    ///   - records: False if nothing is wrapped for new keys.
    func keys(
        beside ruleFiles: [RecipientFileKey]? = nil, records: Bool = true
    ) throws(InputError) -> [RecipientKey] {
        if files.isEmpty, ruleFiles == nil { return [] }
        var keys: [RecipientFileKey] = []
        for file in files {
            let key = try RecipientFile.read(file)
            if let other = keys.first(where: { $0.key.keyID.utf8.elementsEqual(key.keyID.utf8) }) {
                guard other.path != file else {
                    throw InputError("\(file): is given twice with --recipient; leave out one of the two")
                }
                throw InputError("\(file): \(other.path) has the same keyID; leave out one of the two")
            }
            keys.append(RecipientFileKey(path: file, key: key))
        }
        try checkPins((ruleFiles ?? []) + keys, confirmed: acceptNewKey, records: records)
        return keys.map(\.key)
    }

    /// Compares the fingerprints of the recipient files of one of several rules with those of earlier runs.
    func checkPins(_ files: [RecipientFileKey]) throws(InputError) {
        // The others are those of another rule.
        let confirmed = acceptNewKey.filter { text in files.contains { $0.key.fingerprint == text } }
        try checkPins(files, confirmed: confirmed, records: true)
    }

    private func checkPins(
        _ keys: [RecipientFileKey], confirmed: [String], records: Bool
    ) throws(InputError) {
        guard !noPin, !keys.isEmpty || !confirmed.isEmpty else { return }
        let environment = Environment.process
        let path = KnownRecipients.path(
            configurationHome: environment.value("XDG_CONFIG_HOME"), home: environment.value("HOME"))
        if let path {
            try KnownRecipients(path: path).check(keys, confirmed: confirmed, records: records).forEach(
                Console.note)
        } else {
            Console.note(
                "fingerprints of recipient files are not compared with earlier ones: HOME is not set")
        }
    }

    /// Opens a WrappedSecret, or loads the keys for that. If that fails although recipient files are given, the error says what
    /// they are for.
    func explainingThatFilesOnlyWrap<Value>(_ open: () async throws -> Value) async throws -> Value {
        let problem: String
        do {
            return try await open()
        } catch let error as InputError where !files.isEmpty {
            problem = error.description
        } catch let error as CommandError where !files.isEmpty {
            problem = error.description
        }
        throw CommandError(
            "\(problem); a recipient file wraps and does not open: configure a key that opens the other values, or wrap all "
                + "values again (secrets-bridge wrap --recipient)")
    }
}
