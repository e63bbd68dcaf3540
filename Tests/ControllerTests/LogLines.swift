import Logging
import System

/// Keeps what is logged at level info and above.
final class LogLines: LogHandler, @unchecked Sendable {
    private let kept = Locked<[(text: String, fields: [String: String])]>([])
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    var logger: Logger { Logger(label: "test") { _ in self } }
    /// Level, message, and the fields `resource` and `hint`.
    var texts: [String] { kept.withLock { $0.map(\.text) } }
    var fields: [[String: String]] { kept.withLock { $0.map(\.fields) } }

    func clear() { kept.withLock { $0 = [] } }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = (event.metadata ?? [:]).mapValues { "\($0)" }
        kept.withLock {
            $0.append(
                (
                    "\(event.level) \(event.message) \(fields["resource"] ?? "") \(fields["hint"] ?? "")",
                    fields
                ))
        }
    }
}
