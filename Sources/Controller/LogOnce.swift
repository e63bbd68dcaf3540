import System

/// What has been said of an outage that is going on: each kind of failure is news once, until it is over. Safe to
/// use from any thread.
final class LogOnce: Sendable {
    private let said = Locked<[String]>([])

    /// Whether this kind of failure has not been said yet.
    func shouldLog(_ kind: String) -> Bool {
        said.withLock { said in
            guard !said.contains(kind) else { return false }
            said.append(kind)
            return true
        }
    }

    /// It is over. Returns what there was; nil when there was none.
    func reset() -> String? {
        said.withLock { said in
            defer { said = [] }
            return said.isEmpty ? nil : said.joined(separator: ", ")
        }
    }
}
