/// Describes why JSON cannot be read, and where. It names fields and never quotes a value.
public struct JSONError: Error, Sendable, Equatable {
    public enum ExpectedType: String, Sendable {
        case object, array, string, boolean, integer
    }

    public enum Problem: Sendable, Equatable {
        /// The bytes are not JSON (RFC 8259), or end too early.
        case syntax
        case missing
        case unexpectedNull(expected: ExpectedType)
        case typeMismatch(expected: ExpectedType)
        /// An integer does not fit into its type.
        case outOfRange
        /// A string has bytes that are not UTF-8, a control character that is not escaped, or an escape that does not
        /// denote a character.
        case invalidString
        /// A document read as a `JSONValue` has two members of one name in an object.
        case duplicateKey
        /// A document read as a `JSONValue` exceeds one of `JSONLimits`.
        case limitExceeded
    }

    public enum PathComponent: Sendable, Equatable {
        case key(String)
        case index(Int)
    }

    public let problem: Problem
    /// The offset of the byte at which reading stopped.
    public let offset: Int
    /// The path from the outermost value to the one that is wrong.
    public private(set) var path: [PathComponent] = []

    package init(_ problem: Problem, offset: Int) {
        self.problem = problem
        self.offset = offset
    }

    /// Returns the error with the path that it has in the enclosing value.
    @usableFromInline package func prefixingPath(_ component: PathComponent) -> JSONError {
        var error = self
        error.path.insert(component, at: 0)
        return error
    }

    /// Returns the error with its path relative to the value at the first component: `object.spec` becomes `spec`.
    package var droppingFirstPathComponent: JSONError {
        var error = self
        error.path = Array(path.dropFirst())
        return error
    }

    /// True if nothing after the error can be read either.
    @inlinable public var isSyntax: Bool { problem == .syntax }
}

extension JSONError: CustomStringConvertible {
    /// For example: `spec.mac is missing`.
    public var description: String {
        switch problem {
        // Without the offset: the text is shown in an object's status, and each change of the status could shift the
        // offset, which would change the text again.
        case .syntax: "\(place) is not valid JSON"
        case .missing: "\(place) is missing"
        case .unexpectedNull(let type): "\(place) is null; \(type.rawValue) is expected"
        case .typeMismatch(let type): "\(place) is not of type \(type.rawValue)"
        case .outOfRange: "\(place) is out of range"
        case .invalidString: "\(place) has characters that are not valid"
        case .duplicateKey: "\(place) has two members of one name"
        case .limitExceeded: "\(place) is too large or too deeply nested"
        }
    }

    private var place: String {
        guard !path.isEmpty else { return "the object" }
        var text = ""
        for component in path {
            switch component {
            case .key(let key): text += text.isEmpty ? key : ".\(key)"
            case .index(let index): text += "[\(index)]"
            }
        }
        return text
    }
}
