import Glibc
package import Logging

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
        let pairs = all.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
        let time = Timestamp.now.micro
        switch format {
        case .json:
            let level = event.level == .warning ? "warn" : event.level.rawValue
            let fields = [("level", level), ("msg", "\(event.message)"), ("time", time)] + pairs
            writeLine("{" + fields.map { "\(quoted($0.0)):\(quoted($0.1))" }.joined(separator: ",") + "}")
        case .text:
            let words = [time, event.level.rawValue.uppercased(), "\(event.message)"]
            writeLine((words + pairs.map { "\($0.0)=\(printable($0.1))" }).joined(separator: " "))
        }
    }

    private func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            case _ where scalar.value < 0x20 || (0x2028...0x2029).contains(scalar.value):
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}

/// What servers say reaches terminals: control characters are shown, not sent.
private func printable(_ text: String) -> String {
    text.unicodeScalars.map { scalar in
        scalar.properties.generalCategory == .control ? scalar.escaped(asASCII: true) : String(scalar)
    }.joined()
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
