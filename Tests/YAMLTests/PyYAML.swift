import Foundation
import TestSupport

/// The reader that our writer is checked against.
enum PyYAML {
    static let isInstalled = Python.hasModules("yaml")

    static func loadAsJSON(_ yaml: String) throws -> String {
        let script =
            "import json,sys,yaml; print(json.dumps(yaml.safe_load(sys.stdin.buffer.read().decode('utf-8'))))"
        return String(decoding: try Python.run(["-c", script], input: Data(yaml.utf8)), as: UTF8.self)
    }
}
