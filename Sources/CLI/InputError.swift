/// Input that cannot be used. One line: where, what is wrong, what is expected. Never a value.
package struct InputError: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }

    init(_ source: String, _ description: String) {
        self.description = "\(source): \(description)"
    }
}
