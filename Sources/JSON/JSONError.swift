/// Why JSON cannot be read, and where. It names fields and never quotes a value.
package struct JSONError: Error, Sendable, Equatable {
    package enum Kind: String, Sendable {
        case object, array, string, boolean, integer
    }

    package enum Problem: Sendable, Equatable {
        /// The bytes are not JSON (RFC 8259), or end too early.
        case syntax
        case missing
        case null(expected: Kind)
        case type(expected: Kind)
        /// An integer that does not fit.
        case range
        /// A string with bytes that are not UTF-8, a control character that is not escaped, or an escape that stands
        /// for no character.
        case text
    }

    package enum Step: Sendable, Equatable {
        case key(String)
        case index(Int)
    }

    package let problem: Problem
    /// Of the byte at which reading stopped.
    package let offset: Int
    /// From the outermost value to the one that is wrong.
    package private(set) var path: [Step] = []

    package init(_ problem: Problem, offset: Int) {
        self.problem = problem
        self.offset = offset
    }

    /// The same error as seen from the value that contains it.
    package func below(_ step: Step) -> JSONError {
        var error = self
        error.path.insert(step, at: 0)
        return error
    }

    /// The same error as seen from the value at the first step of its path.
    package var inside: JSONError {
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
        case .null(let kind): "\(place) is null; \(kind.rawValue) is expected"
        case .type(let kind): "\(place) is not of type \(kind.rawValue)"
        case .range: "\(place) is out of range"
        case .text: "\(place) has characters that are not valid"
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
