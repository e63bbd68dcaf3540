import Envelope
import System

/// The names of functions, and the forms of a reference, that a template may use.
enum TemplateDialect: Sendable {
    /// `spec.template.data` of a WrappedSecret.
    case own
    /// `spec.template.data` of a SealedSecret: functions of Sprig, which may come before the entry, and parentheses.
    case sealedSecrets

    func filter(_ name: String) -> TemplateFilter.Name? {
        switch self {
        case .own: TemplateFilter.Name(rawValue: name)
        case .sealedSecrets: Self.sprig[name]
        }
    }

    fileprivate static let sprig: [String: TemplateFilter.Name] = [
        "b64enc": .base64, "b64dec": .base64decode, "toJson": .json, "toRawJson": .json, "quote": .quote,
        "indent": .indent,
    ]
}

/// A template as text, and its parts in their order.
struct ParsedTemplate {
    struct Action {
        enum Content: Equatable {
            case entry(String, [TemplateFilter])
            case literal(String)
        }

        let content: Content
        let position: TemplatePosition
        let trimsBefore: Bool
        let trimsAfter: Bool
    }

    /// Text, and the action after it. Only the last piece has none.
    struct Piece {
        let text: Range<Int>
        let action: Action?
    }

    let text: [UInt8]
    let pieces: [Piece]
}

extension ParsedTemplate.Action {
    /// The action in the language of a WrappedSecret.
    var source: String {
        let expression =
            switch content {
            case .entry(let name, let filters):
                ([TemplateParser.isIdentifier(name) ? ".\(name)" : "index . \"\(name)\""]
                    + filters.map(\.source)).joined(separator: " | ")
            case .literal(let text): "\"\(text)\""
            }
        return "{{\(trimsBefore ? "-" : "") \(expression) \(trimsAfter ? "-" : "")}}"
    }
}

/// Parses a template in one pass.
struct TemplateParser {
    private let text: [UInt8]
    private let dialect: TemplateDialect
    private var index = 0
    /// The position of `positionIndex`, from which later ones are counted.
    private var positionIndex = 0
    private var line = 1
    private var column = 1

    init(_ text: String, dialect: TemplateDialect) {
        self.text = Array(text.utf8)
        self.dialect = dialect
    }

    consuming func parse() throws(TemplateError) -> ParsedTemplate {
        guard text.count <= SecretTemplate.maximumBytes else {
            throw TemplateError(
                nil, "has \(text.count) bytes; \(SecretTemplate.maximumBytes) at most are expected: split it")
        }
        var pieces: [ParsedTemplate.Piece] = []
        while true {
            let start = index
            while index < text.count, !isAt("{{") { index += 1 }
            let range = start..<index
            guard index < text.count else {
                pieces.append(ParsedTemplate.Piece(text: range, action: nil))
                return ParsedTemplate(text: text, pieces: pieces)
            }
            pieces.append(ParsedTemplate.Piece(text: range, action: try action()))
        }
    }

    // MARK: actions

    /// Parses from `{{` to `}}`.
    private mutating func action() throws(TemplateError) -> ParsedTemplate.Action {
        let start = index
        let position = position(of: start)
        index += 2
        // As in Go, a marker has white space beside it: `{{-3}}` is a number.
        let trimsBefore = current == Self.minus && byte(at: index + 1).map(Self.isSpace) == true
        if trimsBefore { index += 1 }
        skipSpace()
        let content = try content(from: start)
        skipSpace()
        let trimsAfter = isAt("-}}") && byte(at: index - 1).map(Self.isSpace) == true
        if trimsAfter { index += 1 }
        guard isAt("}}") else { throw unexpected(from: start) }
        index += 2
        return ParsedTemplate.Action(
            content: content, position: position, trimsBefore: trimsBefore, trimsAfter: trimsAfter)
    }

    private mutating func content(from start: Int) throws(TemplateError) -> ParsedTemplate.Action.Content {
        if current == Self.quote || dialect == .sealedSecrets && current == Self.backquote {
            return .literal(try string())
        }
        var (entry, filters) = try operand(from: start, depth: 0)
        while true {
            skipSpace()
            guard current == Self.pipe else { return .entry(entry, filters) }
            index += 1
            skipSpace()
            let place = index
            guard let name = identifier() else {
                throw error(at: place, "the name of a filter is expected: \(Self.filters)")
            }
            filters.append(try filter(name, at: place))
            guard filters.count <= TemplateFilter.maximumCount else {
                throw error(at: place, "a reference has at most \(TemplateFilter.maximumCount) filters")
            }
        }
    }

    /// Parses an entry: `.name` or `index . "name"`.
    ///
    /// - Returns: the entry, and in the dialect of sealed-secrets the functions that are written before it.
    private mutating func operand(
        from start: Int, depth: Int
    ) throws(TemplateError) -> (entry: String, filters: [TemplateFilter]) {
        let place = index
        if current == Self.dot { return (try field(), []) }
        if dialect == .sealedSecrets, current == UInt8(ascii: "("), depth < 8 {
            index += 1
            skipSpace()
            let inner = try operand(from: start, depth: depth + 1)
            skipSpace()
            guard current == UInt8(ascii: ")") else { throw unexpected(from: start) }
            index += 1
            return inner
        }
        guard let name = identifier() else { throw unexpected(from: start) }
        if name == "index" { return (try indexed(place), []) }
        if dialect == .sealedSecrets, dialect.filter(name) != nil, depth < 8 {
            let filter = try filter(name, at: place)
            skipSpace()
            // `b64enc index . "a"` has three arguments in Go.
            guard current == Self.dot || current == UInt8(ascii: "(") else { throw unexpected(from: start) }
            let inner = try operand(from: start, depth: depth + 1)
            return (inner.entry, inner.filters + [filter])
        }
        throw error(at: place, Self.problem(ofFirstWord: name, dialect))
    }

    /// Parses `.name`.
    private mutating func field() throws(TemplateError) -> String {
        let place = index
        index += 1
        guard let name = identifier() else {
            if let byte = current, Self.isNameByte(byte) { throw error(at: place, Self.unusualName) }
            throw error(at: place, "the name of an entry is expected after the dot, as in .password")
        }
        if let byte = current, Self.isNameByte(byte) { throw error(at: place, Self.unusualName) }
        return name
    }

    /// Parses what follows the word `index`.
    private mutating func indexed(_ place: Int) throws(TemplateError) -> String {
        skipSpace()
        guard current == Self.dot else { throw error(at: place, Self.indexForm) }
        index += 1
        guard byte(at: index).map(Self.isSpace) == true else { throw error(at: place, Self.indexForm) }
        skipSpace()
        let isString = current == Self.quote || dialect == .sealedSecrets && current == Self.backquote
        guard isString else { throw error(at: place, Self.indexForm) }
        let nameAt = index
        let name = try string()
        guard (try? EnvelopeValidation.check(entry: name)) != nil else {
            throw error(at: nameAt, "this is not the name of an entry (1 to 253 of A-Z a-z 0-9 - _ .)")
        }
        return name
    }

    /// Parses the argument of a filter.
    private mutating func filter(_ name: String, at place: Int) throws(TemplateError) -> TemplateFilter {
        guard let known = dialect.filter(name) else {
            throw error(at: place, Self.problem(ofFilter: name, dialect))
        }
        guard known == .indent else { return TemplateFilter(known) }
        skipSpace()
        let start = index
        while let byte = current, byte.isASCIIDigit, index - start < 3 { index += 1 }
        let digits = text[start..<index]
        // A zero before other digits makes a number octal in Go.
        guard digits.count == 1 || digits.first != UInt8(ascii: "0"),
            let count = Int(String(decoding: digits, as: UTF8.self)),
            count <= TemplateFilter.maximumIndentation
        else {
            throw error(
                at: place,
                "indent needs a number of spaces from 0 to \(TemplateFilter.maximumIndentation), as in indent 4"
            )
        }
        return .indent(count)
    }

    // MARK: tokens

    /// Parses a text in quotation marks on one line. It has no escapes, and none of the characters that need one.
    private mutating func string() throws(TemplateError) -> String {
        let start = index
        let mark = text[index]
        index += 1
        while let byte = current, byte != mark {
            guard byte != UInt8(ascii: "\\"), byte != UInt8(ascii: "\n"), byte != UInt8(ascii: "\r"),
                byte != Self.quote
            else {
                throw error(
                    at: index, "a text in quotation marks has no escapes, line breaks or quotation marks")
            }
            index += 1
        }
        guard current == mark else { throw error(at: start, "the quotation mark is not closed") }
        index += 1
        return String(decoding: text[start + 1..<index - 1], as: UTF8.self)
    }

    /// Reads letters, digits and underscores that do not begin with a digit.
    private mutating func identifier() -> String? {
        let start = index
        while let byte = current, Self.isIdentifierByte(byte), index > start || !byte.isASCIIDigit {
            index += 1
        }
        return index > start ? String(decoding: text[start..<index], as: UTF8.self) : nil
    }

    static func isIdentifier(_ name: String) -> Bool {
        name.utf8.first?.isASCIIDigit == false && name.utf8.allSatisfy(isIdentifierByte)
    }

    /// Returns true for the white space that markers trim, as in Go.
    static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D
    }

    private static func isIdentifierByte(_ byte: UInt8) -> Bool {
        byte.isASCIILetterOrDigit || byte == UInt8(ascii: "_")
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        isIdentifierByte(byte) || byte == dot || byte == minus
    }

    private mutating func skipSpace() {
        while let byte = current, Self.isSpace(byte) { index += 1 }
    }

    private var current: UInt8? { byte(at: index) }

    private func byte(at index: Int) -> UInt8? { text.indices.contains(index) ? text[index] : nil }

    private func isAt(_ token: StaticString) -> Bool {
        let count = token.utf8CodeUnitCount
        guard text.count - index >= count else { return false }
        return (0..<count).allSatisfy { text[index + $0] == token.utf8Start[$0] }
    }

    private static let dot = UInt8(ascii: ".")
    private static let minus = UInt8(ascii: "-")
    private static let pipe = UInt8(ascii: "|")
    private static let quote = UInt8(ascii: "\"")
    private static let backquote = UInt8(ascii: "`")

    // MARK: errors

    private mutating func error(at index: Int, _ problem: String) -> TemplateError {
        TemplateError(position(of: index), problem)
    }

    /// Describes what was found in place of an entry, of `|` or of `}}`.
    private mutating func unexpected(from start: Int) -> TemplateError {
        if isAt("/*") { return error(at: index, "comments are not supported; remove it") }
        guard let byte = current else {
            return error(at: start, "{{ is not closed by }}; a literal {{ is written {{ \"{{\" }}")
        }
        if byte == UInt8(ascii: "$") {
            return error(at: index, "variables are not supported; \(Self.language)")
        }
        if byte == UInt8(ascii: "(") {
            return error(at: index, "parentheses are not supported; \(Self.language)")
        }
        return error(at: index, "an entry is expected, then |, or }}; \(Self.language)")
    }

    private static let filters = "base64, base64decode, json, quote or indent N"
    private static let language =
        "a template has references such as {{ .password }} and {{ index . \"tls.crt\" }}, and the filters \(filters)"
    private static let unusualName =
        "a name with other characters than letters, digits and _ is written {{ index . \"tls.crt\" }}"
    private static let indexForm =
        "one entry by its name is expected after index: {{ index . \"tls.crt\" }}"
    private static let keywords: Set<String> = [
        "if", "else", "end", "range", "with", "define", "template", "block", "break", "continue",
    ]

    private static func problem(ofFirstWord word: String, _ dialect: TemplateDialect) -> String {
        if keywords.contains(word) { return "\(word) is not supported; \(language)" }
        if dialect == .own, TemplateFilter.Name(rawValue: word) != nil || TemplateDialect.sprig[word] != nil {
            return "a filter follows its entry: {{ .password | base64 }}"
        }
        return "there is no function \(shortened(word)); \(language)"
    }

    private static func problem(ofFilter name: String, _ dialect: TemplateDialect) -> String {
        if dialect == .own, let known = TemplateDialect.sprig[name] {
            return "there is no filter \(name); it is called \(known.rawValue) here"
        }
        return "there is no filter \(shortened(name)); \(filters) is expected"
    }

    private static func shortened(_ name: String) -> String { name.truncated(toUTF8: 64) }

    /// Returns the position of a byte. Counts on from the one before it, if it is not earlier.
    private mutating func position(of target: Int) -> TemplatePosition {
        if target < positionIndex { (positionIndex, line, column) = (0, 1, 1) }
        for byte in text[positionIndex..<min(target, text.count)] {
            if byte == 0x0A {
                (line, column) = (line + 1, 1)
            } else if byte & 0xC0 != 0x80 {
                column += 1
            }
        }
        positionIndex = min(target, text.count)
        return TemplatePosition(line: line, column: column)
    }
}
