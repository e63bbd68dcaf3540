import ArgumentParser
import CLI
import YAML

/// How a command that checks something writes what it found.
enum ReportFormat: String, ExpressibleByArgument, CaseIterable {
    case text, json, yaml

    /// Nil for text.
    var structuredFormat: OutputFormat? {
        switch self {
        case .text: nil
        case .json: .json
        case .yaml: .yaml
        }
    }
}
