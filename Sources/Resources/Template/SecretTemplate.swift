/// A template of `spec.template.data`: text in which references stand for the values of entries.
///
/// The language is a part of Go's text/template, with the same meaning:
///
///     {{ .password }}  {{ index . "tls.crt" }}     an entry
///     {{ .password | base64 | indent 4 }}          an entry, through filters
///     {{ "{{" }}                                   text, for braces
///     {{- .password -}}                            removes the white space before and after
///
/// It has no loops, conditions, variables or functions.
package struct SecretTemplate: Sendable, Equatable {
    struct Reference: Sendable, Equatable {
        let entry: String
        let filters: [TemplateFilter]
        let position: TemplatePosition
    }

    enum Segment: Sendable, Equatable {
        case text([UInt8])
        case reference(Reference)
    }

    /// The longest template, in bytes. The CRD has the same limit, in characters.
    package static let maximumBytes = 65536

    let segments: [Segment]

    /// - Throws: `TemplateError` with the position of the first mistake.
    package init(_ text: String) throws(TemplateError) {
        self.init(try TemplateParser(text, dialect: .own).parse())
    }

    /// Joins what was parsed, after trimming the text beside the markers `{{-` and `-}}`.
    private init(_ parsed: ParsedTemplate) {
        var segments: [Segment] = []
        var trimsStart = false
        for piece in parsed.pieces {
            var text = parsed.text[piece.text]
            if trimsStart { text = text.drop(while: TemplateParser.isSpace) }
            if piece.action?.trimsBefore == true {
                while let last = text.last, TemplateParser.isSpace(last) { text.removeLast() }
            }
            if !text.isEmpty { segments.append(.text(Array(text))) }
            guard let action = piece.action else { break }
            switch action.content {
            case .entry(let name, let filters):
                segments.append(
                    .reference(Reference(entry: name, filters: filters, position: action.position)))
            case .literal(let text): segments.append(.text(Array(text.utf8)))
            }
            trimsStart = action.trimsAfter
        }
        self.segments = segments
    }

    /// Translates a template that another tool renders with Go's text/template and Sprig. Text and markers stay.
    ///
    /// - Throws: `TemplateError` if it uses more than this language has.
    package static func translating(sealedSecrets text: String) throws(TemplateError) -> String {
        let parsed = try TemplateParser(text, dialect: .sealedSecrets).parse()
        var result = ""
        for piece in parsed.pieces {
            result += String(decoding: parsed.text[piece.text], as: UTF8.self)
            if let action = piece.action { result += action.source }
        }
        return result
    }

    var references: [Reference] {
        segments.compactMap { if case .reference(let reference) = $0 { reference } else { nil } }
    }
}

/// A place in a template. Both numbers begin with 1; columns count characters (Unicode scalars).
struct TemplatePosition: Sendable, Equatable {
    let line: Int
    let column: Int
}

/// A mistake in a template, or a value that cannot be rendered. It contains names of the template and no value.
package struct TemplateError: Error, Equatable, Sendable, CustomStringConvertible {
    let position: TemplatePosition?
    let problem: String
    /// True if the result is larger than a Secret may be.
    let isTooLarge: Bool

    init(_ position: TemplatePosition?, _ problem: String, isTooLarge: Bool = false) {
        self.position = position
        self.problem = problem
        self.isTooLarge = isTooLarge
    }

    package var description: String {
        position.map { "line \($0.line) column \($0.column): \(problem)" } ?? problem
    }
}
