import KubeClient

/// What the API server's quota plugin says when it refuses an object: "exceeded quota: team, requested: secrets=1, used:
/// secrets=3, limited: secrets=3". Quotas are checked after everything else that can refuse a request.
struct QuotaMessage: Sendable {
    private let requested: [String: Int64]
    private let used: [String: Int64]
    private let limited: [String: Int64]

    /// Returns nil if something else was refused.
    init?(_ error: KubeError) {
        guard error.code == .forbidden, let text = error.status?.message,
            let start = text.firstRange(of: "exceeded quota: ")?.upperBound
        else { return nil }
        let rest = text[start...]
        requested = Self.counts(in: rest, after: "requested: ")
        used = Self.counts(in: rest, after: "used: ")
        limited = Self.counts(in: rest, after: "limited: ")
    }

    /// Whether an object that takes the place of an equal one is within the quota: it was refused only because both were
    /// counted. False if the message is not understood.
    var admitsReplacement: Bool {
        !requested.isEmpty
            && requested.allSatisfy { resource, _ in
                guard let used = used[resource], let limit = limited[resource] else { return false }
                return used <= limit
            }
    }

    /// "a=1,b=2" up to the next ", ".
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
