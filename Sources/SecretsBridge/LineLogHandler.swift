import ArgumentParser
import Controller
import Cryptography
import Glibc
import JSON
import Logging
import System

/// Writes each message as one line on standard error.
struct LineLogHandler: LogHandler {
    enum Format: Sendable {
        /// A JSON object with `level`, `msg` and `time` (RFC 3339 with microseconds, UTC), and the metadata.
        case json
        /// The time, the level and the message, and the metadata as `key=value`.
        case text
    }

    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level
    private let format: Format

    init(_ format: Format, level: Logger.Level) {
        self.format = format
        logLevel = level
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
        var line = line(event.level, event.message.description, all, time: Timestamp.now.rfc3339Micros)
        line.append("\n")
        // With one write(2), the lines of several threads do not mix.
        _ = line.withUTF8 { writeAll(UnsafeRawBufferPointer($0), to: STDERR_FILENO) }
    }

    /// Formats one line. The message and the metadata may contain any characters: texts of servers and names that tenants
    /// choose.
    func line(
        _ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata, time: String
    ) -> String {
        let pairs = metadata.sorted { $0.key < $1.key }.map { ($0.key, $0.value.description) }
        switch format {
        case .json:
            let level = level == .warning ? "warn" : level.rawValue
            var output = SecretBuffer(capacity: 512)
            var separator: StaticString = "{"
            for (name, value) in [("level", level), ("msg", message), ("time", time)] + pairs {
                output.append(separator)
                JSONString.appendVisiblyQuoted(name, to: &output)
                output.append(":")
                JSONString.appendVisiblyQuoted(value, to: &output)
                separator = ","
            }
            output.append("}")
            return output.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        case .text:
            let words = [time, level.rawValue.uppercased(), message] + pairs.map { "\($0.0)=\($0.1)" }
            return words.joined(separator: " ").escapingInvisibleCharacters
        }
    }
}

/// The level and the format of the log.
struct LogOptions: ParsableArguments {
    @Option(help: "The lowest level of logged messages. warn and error omit the audit log.")
    var logLevel = LogLevel.info

    @Option(help: "The format of log lines. auto is text on a terminal, and json otherwise.")
    var logFormat = LogFormat.auto

    func makeLogger() -> Logger {
        let (format, level) = (logFormat.format, logLevel.level)
        LoggingSystem.bootstrap { _ in LineLogHandler(format, level: level) }
        return Logger(label: "secrets-bridge")
    }
}

enum LogLevel: String, ExpressibleByArgument, CaseIterable {
    case trace, debug, info, warn, error

    var level: Logger.Level {
        switch self {
        case .trace: .trace
        case .debug: .debug
        case .info: .info
        case .warn: .warning
        case .error: .error
        }
    }
}

enum LogFormat: String, ExpressibleByArgument, CaseIterable {
    case auto, json, text

    var format: LineLogHandler.Format {
        switch self {
        case .auto: isatty(STDERR_FILENO) == 1 ? .text : .json
        case .json: .json
        case .text: .text
        }
    }
}
