import ArgumentParser
import Controller
import Glibc
import Logging

/// What is logged, and how.
struct LogOptions: ParsableArguments {
    @Option(help: "How much is logged. warn and error leave out the audit lines.")
    var logLevel = LogLevel.info

    @Option(help: "How a line looks; auto is text on a terminal and json elsewhere.")
    var logFormat = LogFormat.auto

    func makeLogger() -> Logger {
        let (format, level) = (logFormat.format, logLevel.level)
        LoggingSystem.bootstrap { _ in LineLogHandler(format, level: level) }
        return Logger(label: "secrets-bridge")
    }
}

/// How much is logged.
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
