import System

/// A pattern of a rule for paths below the folder of the rules file: `*`, `?` and `**` (docs/rules.md).
///
/// It is a nondeterministic automaton. A state is an index in `tokens`, doubled; an odd state is inside a name that the
/// token at its index matches.
package struct PathPattern: Sendable, CustomStringConvertible {
    /// The reason why a text is not a pattern, and the remedy.
    struct SyntaxError: Error, Equatable {
        let problem: String
    }

    enum Token: Hashable, Sendable {
        case literal(Unicode.Scalar)
        /// `?`
        case character
        /// `*`
        case characters
        case slash
        /// `**/`: any number of folders, or none.
        case folders
        /// `**` at the end: everything below, at any depth.
        case below
    }

    package let description: String
    /// Equal for patterns that differ in notation only, such as `*?` and `?*`.
    let tokens: [Token]
    private let literalPrefix: [Unicode.Scalar]

    static let maximumBytes = 256
    private static let reserved: [Unicode.Scalar] = ["[", "]", "{", "}", "\\"]
    private static let anyFolders: [Unicode.Scalar] = ["*", "*"]

    init(_ text: String) throws(SyntaxError) {
        // Works on scalars: as a Character, a slash with a combining mark behind it would be no slash.
        let scalars = Array(text.unicodeScalars)
        try Self.check(scalars)
        description = text
        let names = scalars.split(separator: "/")
        var tokens: [Token] = []
        for (index, name) in names.enumerated() {
            let isLast = index == names.count - 1
            if name.elementsEqual(Self.anyFolders) {
                // `**/**` means `**`.
                if tokens.last == .folders { tokens.removeLast() }
                tokens.append(isLast ? .below : .folders)
            } else {
                tokens += Self.tokens(ofName: name) + (isLast ? [] : [.slash])
            }
        }
        self.tokens = tokens
        literalPrefix = tokens.prefix { $0.scalar != nil }.compactMap(\.scalar)
    }

    private static func check(_ text: [Unicode.Scalar]) throws(SyntaxError) {
        func refuse(_ problem: String) -> SyntaxError { SyntaxError(problem: problem) }
        guard !text.isEmpty else { throw refuse("is empty; ** matches every file") }
        guard text.reduce(0, { $0 + UTF8.width($1) }) <= maximumBytes else {
            throw refuse("is longer than \(maximumBytes) bytes; shorten it")
        }
        guard !text.contains(where: \.isInvisible) else {
            throw refuse("has an invisible character; remove it")
        }
        if text.first == "!" {
            throw refuse("begins with !, which is reserved; patterns cannot exclude files")
        }
        if let character = text.first(where: reserved.contains) {
            throw refuse("has \(character), which is reserved; *, ? and ** are the wildcards")
        }
        if text.first == "/" {
            throw refuse("begins with /; patterns are relative to the folder of the rules file")
        }
        for name in text.split(separator: "/", omittingEmptySubsequences: false) {
            if name.isEmpty { throw refuse("has // or ends with /; folder/** matches the files of a folder") }
            if name.allSatisfy({ $0 == "." }), name.count <= 2 {
                throw refuse("has . or .. in it; patterns are relative to the folder of the rules file")
            }
            if zip(name, name.dropFirst()).contains(where: { $0 == "*" && $1 == "*" }),
                !name.elementsEqual(anyFolders)
            {
                throw refuse("has ** beside other characters; ** stands alone between slashes, as in a/**/b")
            }
        }
    }

    private static func tokens(ofName name: ArraySlice<Unicode.Scalar>) -> [Token] {
        var tokens: [Token] = []
        for scalar in name {
            switch scalar {
            // `*` moves behind the `?` that follow it, so that equal patterns have equal tokens.
            case "?" where tokens.last == .characters: tokens.insert(.character, at: tokens.count - 1)
            case "?": tokens.append(.character)
            case "*" where tokens.last == .characters: break
            case "*": tokens.append(.characters)
            default: tokens.append(.literal(scalar))
            }
        }
        return tokens
    }

    /// Returns true if the pattern matches a relative path without empty names. Compares Unicode scalars, so that names
    /// in different normalizations differ, as in the file system.
    package func matches(_ path: String) -> Bool {
        let path = Array(path.unicodeScalars)
        let names = path.split(separator: "/", omittingEmptySubsequences: false)
        return names.allSatisfy { !$0.isEmpty } && matches(path)
    }

    /// - Parameter path: A relative path, which has no empty names.
    func matches(_ path: [Unicode.Scalar]) -> Bool {
        guard path.starts(with: literalPrefix) else { return false }
        // Two buffers in turn, because a command can match many files with many rules.
        var states = emptySet
        var found = states
        enter(0, &states)
        for character in path {
            for index in found.indices { found[index] = false }
            for state in states.indices where states[state] { advance(state, character, &found) }
            swap(&states, &found)
        }
        return accepts(Self.states(states))
    }
}

extension PathPattern.Token {
    /// The character that the token stands for, or nil for a wildcard.
    var scalar: Unicode.Scalar? {
        switch self {
        case .literal(let scalar): scalar
        case .slash: "/"
        case .character, .characters, .folders, .below: nil
        }
    }
}

/// The automaton.
extension PathPattern {
    var initialStates: [Int] {
        var found = emptySet
        enter(0, &found)
        return Self.states(found)
    }

    func accepts(_ states: [Int]) -> Bool {
        states.contains { state in
            state / 2 == tokens.count || (tokens[state / 2] == .below && !state.isMultiple(of: 2))
        }
    }

    /// Returns the states after one more character of a path, in ascending order.
    func next(_ states: [Int], _ character: Unicode.Scalar) -> [Int] {
        var found = emptySet
        for state in states { advance(state, character, &found) }
        return Self.states(found)
    }

    /// Adds the states that follow one state at a character.
    private func advance(_ state: Int, _ character: Unicode.Scalar, _ found: inout [Bool]) {
        let index = state / 2
        guard index < tokens.count else { return }
        switch tokens[index] {
        case .literal(let scalar): if scalar == character { enter(index + 1, &found) }
        case .character: if character != "/" { enter(index + 1, &found) }
        case .characters: if character != "/" { enter(index, &found) }
        case .slash: if character == "/" { enter(index + 1, &found) }
        case .folders where character == "/": if !state.isMultiple(of: 2) { enter(index, &found) }
        case .folders, .below: found[index * 2 + 1] = true
        }
    }

    private var emptySet: [Bool] { [Bool](repeating: false, count: tokens.count * 2 + 2) }

    /// Adds the state at `index`, and those behind tokens that can match nothing.
    private func enter(_ index: Int, _ found: inout [Bool]) {
        var index = index
        while true {
            found[index * 2] = true
            guard index < tokens.count, tokens[index] == .characters || tokens[index] == .folders else {
                return
            }
            index += 1
        }
    }

    private static func states(_ set: [Bool]) -> [Int] { set.indices.filter { set[$0] } }
}
