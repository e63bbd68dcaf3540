import Glibc
package import Logging
import System

/// One line a message on standard error.
package struct LineLogHandler: LogHandler {
    package enum Format: Sendable {
        /// An object with `level`, `msg` and `time` (RFC 3339 with microseconds, UTC), then the metadata.
        case json
        /// For people: time, level, message, then `key=value`.
        case text
    }

    package var metadata: Logger.Metadata = [:]
    package var logLevel: Logger.Level
    private let format: Format

    package init(_ format: Format, level: Logger.Level) {
        self.format = format
        logLevel = level
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
        writeLine(line(event.level, "\(event.message)", all, time: Timestamp.now.rfc3339Micros))
    }

    /// One line, whatever is in the message and the metadata: what servers say, and names that tenants choose.
    func line(
        _ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata, time: String
    ) -> String {
        let pairs = metadata.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
        switch format {
        case .json:
            let level = level == .warning ? "warn" : level.rawValue
            let fields = [("level", level), ("msg", message), ("time", time)] + pairs
            return "{" + fields.map { "\($0.0.jsonQuoted):\($0.1.jsonQuoted)" }.joined(separator: ",") + "}"
        case .text:
            let words = [time, level.rawValue.uppercased(), message] + pairs.map { "\($0.0)=\($0.1)" }
            return words.joined(separator: " ").escapingInvisibleCharacters
        }
    }
}

/// One write(2) a line, so that lines of several threads do not mix.
private func writeLine(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    var written = 0
    while written < bytes.count {
        let count = bytes[written...].withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return }
        written += count
    }
}
