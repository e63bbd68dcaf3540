import KubeClient

/// The meaning of the API server's errors for a reconcile.
extension KubeError {
    /// Returns the same error of another activity.
    func during(_ activity: String) -> KubeError {
        KubeError(code, activity: activity, message: message, retryAfter: retryAfter, status: status)
    }

    /// True if the error concerns this object, once it has lasted. An error that concerns every request appears in
    /// metrics and readiness, and could not be written to a status.
    var isObjectSpecific: Bool {
        switch code {
        case .transport, .credentials, .unauthorized, .tooManyRequests, .cancelled: false
        default: true
        }
    }

    /// True if the error occurs in normal operation: a conflict with another writer, or a server that is unavailable.
    var isExpected: Bool {
        switch code {
        case .conflict, .notFound, .alreadyExists, .cancelled: true
        // Without causes, a test in our JSON Patch failed.
        case .invalid: status?.details?.causes?.isEmpty != false
        default: isRetryable
        }
    }

    var isNamespaceTerminating: Bool {
        status?.details?.causes?.contains { $0.reason == "NamespaceTerminating" } == true
    }

    /// The name of the admission webhook that could not be called, or nil if the error has another cause.
    var failedWebhook: String? {
        guard let message = status?.message,
            let start = message.firstRange(of: "failed calling webhook \"")?.upperBound
        else { return nil }
        let name = message[start...].prefix {
            $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == ".")
        }
        return String(name.prefix(253))
    }

    /// True if a quota rejected an object only because it counted both this object and an equal one that it replaces.
    /// False if the message cannot be parsed.
    ///
    /// The quota plugin writes "exceeded quota: team, requested: secrets=1, used: secrets=3, limited: secrets=3". It
    /// runs after everything else that can reject a request.
    var quotaAllowsReplacement: Bool {
        guard code == .forbidden, let text = status?.message,
            let start = text.firstRange(of: "exceeded quota: ")?.upperBound
        else { return false }
        let requested = Self.counts(in: text[start...], after: "requested: ")
        let used = Self.counts(in: text[start...], after: "used: ")
        let limited = Self.counts(in: text[start...], after: "limited: ")
        return !requested.isEmpty
            && requested.keys.allSatisfy { resource in
                guard let used = used[resource], let limit = limited[resource] else { return false }
                return used <= limit
            }
    }

    /// Parses "a=1,b=2" up to the next ", ".
    private static func counts(in text: Substring, after label: String) -> [String: Int64] {
        guard let start = text.firstRange(of: label)?.upperBound else { return [:] }
        let list = text[start...].firstRange(of: ", ").map { text[start..<$0.lowerBound] } ?? text[start...]
        var counts: [String: Int64] = [:]
        for pair in list.split(separator: ",") {
            let parts = pair.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, let count = Int64(parts[1]) else { continue }
            counts[String(parts[0])] = count
        }
        return counts
    }
}
