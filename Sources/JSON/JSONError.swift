/// Why JSON cannot be read, and where. It names fields and never quotes a value.
package struct JSONError: Error, Sendable, Equatable {
    package enum ExpectedType: String, Sendable {
        case object, array, string, boolean, integer
    }

    package enum Problem: Sendable, Equatable {
        /// The bytes are not JSON (RFC 8259), or end too early.
        case syntax
        case missing
        case unexpectedNull(expected: ExpectedType)
        case typeMismatch(expected: ExpectedType)
        /// An integer that does not fit.
        case outOfRange
        /// A string with bytes that are not UTF-8, a control character that is not escaped, or an escape that stands
        /// for no character.
        case invalidString
    }

    package enum PathComponent: Sendable, Equatable {
        case key(String)
        case index(Int)
    }

    package let problem: Problem
    /// Of the byte at which reading stopped.
    package let offset: Int
    /// From the outermost value to the one that is wrong.
    package private(set) var path: [PathComponent] = []

    package init(_ problem: Problem, offset: Int) {
        self.problem = problem
        self.offset = offset
    }

    /// The same error as seen from the value that contains it.
    package func prefixingPath(_ step: PathComponent) -> JSONError {
        var error = self
        error.path.insert(step, at: 0)
        return error
    }

    /// The same error as seen from the value at the first step of its path.
    package var droppingFirstPathComponent: JSONError {
        var error = self
        error.path = Array(path.dropFirst())
        return error
    }

    /// Whether nothing after the error can be read either.
    package var isSyntax: Bool { problem == .syntax }
}

extension JSONError: CustomStringConvertible {
    /// `spec.mac is missing`
    package var description: String {
        switch problem {
        // Without the offset: it ends up in a status, whose every change moves it.
        case .syntax: "\(place) is not valid JSON"
        case .missing: "\(place) is missing"
        case .unexpectedNull(let kind): "\(place) is null; \(kind.rawValue) is expected"
        case .typeMismatch(let kind): "\(place) is not of type \(kind.rawValue)"
        case .outOfRange: "\(place) is out of range"
        case .invalidString: "\(place) has characters that are not valid"
        }
    }

    private var place: String {
        guard !path.isEmpty else { return "the object" }
        var text = ""
        for step in path {
            switch step {
            case .key(let key): text += text.isEmpty ? key : ".\(key)"
            case .index(let index): text += "[\(index)]"
            }
        }
        return text
    }
}
