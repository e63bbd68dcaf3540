import Primitives

/// Input that cannot be used. One line: where, what is wrong, what is expected. Never a value. Names out of files are in it
/// as they were found; invisible characters in them are escapes.
package struct InputError: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String
    /// Whether the command line itself is wrong, and no file or service.
    package let isUsage: Bool

    package init(_ description: String, isUsage: Bool = false) {
        self.description = description.escapingInvisibleCharacters
        self.isUsage = isUsage
    }

    init(_ source: String, _ description: String) {
        self.init("\(source): \(description)")
    }
}
