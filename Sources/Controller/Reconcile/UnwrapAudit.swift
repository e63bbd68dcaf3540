import Envelope
import KubeClient
import Logging
import Resources

/// Writes the audit log: one line for each attempt to unwrap a data key, with the object, the key, its provider and the result. It
/// never holds a value or a wrapped key. The message and the names of the fields are API, because operators search for
/// them.
struct UnwrapAudit {
    private let object: ObjectMeta
    private let recipients: [Recipient]
    /// The provider whose key is used, or nil for the controller's own keys.
    private let provider: ProviderRef?
    private let logger: Logger
    /// When the attempt began that the next line is about.
    private var start = ContinuousClock.now

    init(_ object: ObjectMeta, _ envelope: Envelope, _ provider: ProviderRef?, _ logger: Logger) {
        self.object = object
        recipients = envelope.recipients
        self.provider = provider
        self.logger = logger
    }

    func logSuccess(_ opened: OpenedEnvelope) {
        log("ok", keyID: opened.keyID, ["key_version": "\(opened.keyVersion ?? "")"])
    }

    /// Writes a line if the attempt failed. Another one begins then, if the envelope has more recipients.
    mutating func logFailure(of attempt: UnwrapAttempt) {
        guard let failure = attempt.failure else { return }
        defer { start = .now }
        let keyID = attempt.recipient.keyID
        switch failure {
        case .keyManager(let cause): log(cause.code.rawValue, keyID: keyID)
        // The data key was unwrapped, but it does not fit the ciphertexts.
        case .integrityFailed: log("integrityFailed", keyID: keyID)
        default: log("crypto", keyID: keyID)
        }
    }

    /// Writes a line for an envelope that could not be opened, unless its attempts have theirs.
    func logFailureAfterAttempts(_ error: EnvelopeError) {
        switch error {
        case .keyManager, .integrityFailed, .crypto: break
        case .noUsableRecipient: log("noUsableRecipient", keyID: nil)
        case .decryptFailed(_, let keyID): log("decryptFailed", keyID: keyID)
        case .invalid, .unsupportedFormat: log("invalid", keyID: nil)
        }
    }

    private func log(_ result: String, keyID: String?, _ more: Logger.Metadata = [:]) {
        let (seconds, attoseconds) = (ContinuousClock.now - start).components
        var fields: Logger.Metadata = [
            "object": "\(object.ref)", "uid": "\(object.uid ?? "")",
            "generation": "\(object.generation ?? 0)",
            "result": "\(result)", "recipients": "\(recipients.count)",
            "duration_ms": "\(seconds * 1000 + attoseconds / 1_000_000_000_000_000)",
        ]
        if let provider { fields["provider"] = "\(provider)" }
        if let keyID {
            fields["key_id"] = "\(keyID)"
            if let index = recipients.firstIndex(where: { $0.keyID == keyID }) {
                fields["recipient"] = "\(index)"
            }
        }
        logger.info("audit: unwrap of a data key", metadata: fields.merging(more) { _, new in new })
    }
}
