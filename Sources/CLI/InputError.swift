import Primitives

/// Input that cannot be used. One line: where, what is wrong, what is expected. Never a value. Names out of files are in it
/// as they were found; invisible characters in them are escapes.
package struct InputError: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description.escapingInvisibleCharacters
    }

    init(_ source: String, _ description: String) {
        self.init("\(source): \(description)")
    }
}
