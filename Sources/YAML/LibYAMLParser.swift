import CYAML
import Glibc
import System

/// Parses YAML to events with libyaml. Scalars are copied to secret memory, and libyaml's copies are zeroed.
///
/// Caveats: buffers that libyaml outgrows while it joins the lines of a scalar (realloc(3)) are not zeroed.
final class LibYAMLParser: ParseEventStream {
    let text: SourceText
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private var arena: ScalarArena
    /// The position of the last event.
    private var position = SourceText.Position()
    /// The last tag: equal ones, which follow each other, share one string.
    private var lastTag = ""

    init(_ text: SourceText) {
        self.text = text
        arena = ScalarArena(chunkSize: text.bytes.count)
        parser = .allocate(capacity: 1)
        // On failure (out of memory) the parser is zeroed, and the first call of yaml_parser_parse reports it.
        _ = yaml_parser_initialize(parser)
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(
            parser, text.bytes.bindMemory(to: UInt8.self).baseAddress, text.bytes.count)
    }

    func next() throws(YAMLError) -> ParseEvent {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) != 0 else { throw error() }
        defer { yaml_event_delete(&event) }
        let start = text.byteOffset(ofCharacter: event.start_mark.index, from: &position)
        let range = text.range(start, text.byteOffset(ofCharacter: event.end_mark.index, from: &position))
        return ParseEvent(kind: kind(of: event), range: range)
    }

    private func kind(of event: yaml_event_t) -> ParseEvent.Kind {
        switch event.type {
        case YAML_DOCUMENT_START_EVENT: return .documentStart
        case YAML_DOCUMENT_END_EVENT: return .documentEnd
        case YAML_ALIAS_EVENT: return .alias(string(event.data.alias.anchor) ?? "")
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let value = UnsafeMutableRawBufferPointer(start: scalar.value, count: scalar.length)
            let stored = arena.store(UnsafeRawBufferPointer(value))
            if let start = value.baseAddress { explicit_bzero(start, value.count) }
            return .scalar(stored, style(scalar.style), properties(scalar.anchor, scalar.tag), type: nil)
        case YAML_SEQUENCE_START_EVENT:
            let start = event.data.sequence_start
            return .sequenceStart(
                properties(start.anchor, start.tag), isFlow: start.style == YAML_FLOW_SEQUENCE_STYLE)
        case YAML_MAPPING_START_EVENT:
            let start = event.data.mapping_start
            return .mappingStart(
                properties(start.anchor, start.tag), isFlow: start.style == YAML_FLOW_MAPPING_STYLE)
        case YAML_SEQUENCE_END_EVENT: return .sequenceEnd
        case YAML_MAPPING_END_EVENT: return .mappingEnd
        case YAML_STREAM_START_EVENT: return .streamStart
        default: return .streamEnd
        }
    }

    private func properties(
        _ anchor: UnsafeMutablePointer<yaml_char_t>?, _ tag: UnsafeMutablePointer<yaml_char_t>?
    ) -> ParseEvent.NodeProperties {
        guard let tag = string(tag) else { return ParseEvent.NodeProperties(anchor: string(anchor)) }
        if tag != lastTag { lastTag = tag }
        return ParseEvent.NodeProperties(anchor: string(anchor), tag: lastTag)
    }

    private func string(_ text: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        text.map { String(cString: $0) }
    }

    private func style(_ style: yaml_scalar_style_t) -> YAMLScalar.Style {
        switch style {
        case YAML_SINGLE_QUOTED_SCALAR_STYLE: .singleQuoted
        case YAML_DOUBLE_QUOTED_SCALAR_STYLE: .doubleQuoted
        case YAML_LITERAL_SCALAR_STYLE: .literal
        case YAML_FOLDED_SCALAR_STYLE: .folded
        default: .plain
        }
    }

    private func error() -> YAMLError {
        let state = parser.pointee
        // libyaml's problems are constants, which quote nothing of the text.
        let problem = state.problem.map { String(cString: $0) } ?? "out of memory"
        // Errors of the reader have a byte offset, others the index of a character.
        let isNotText = state.error == YAML_READER_ERROR
        let offset =
            isNotText
            ? state.problem_offset : text.byteOffset(ofCharacter: state.problem_mark.index, from: &position)
        return text.error(
            isNotText ? .notText : .syntax, at: offset, "not valid YAML: \(problem)\(advice(for: problem))")
    }

    /// Returns the remedy for the most frequent cause of a problem.
    private func advice(for problem: String) -> String {
        switch problem {
        case "found character that cannot start any token",
            "found a tab character that violates indentation",
            "found a tab character where an indentation space is expected":
            "; indent with spaces, not tabs, and quote values that start with @, % or `"
        case "mapping values are not allowed in this context":
            "; check the indentation, and quote values that contain \": \""
        case "did not find expected key", "could not find expected ':'",
            "did not find expected '-' indicator", "did not find expected <document start>":
            "; check the indentation and the quotes of this line and the one before"
        case "found unexpected end of stream", "did not find expected ',' or '}'",
            "did not find expected ',' or ']'":
            "; a quote or bracket is not closed"
        case "found invalid Unicode character escape code":
            "; write characters beyond U+FFFF as \\U0001F600, not as a surrogate pair"
        case "did not find expected whitespace or line break", "did not find expected '!'",
            "did not find expected tag URI", "found undefined tag handle", "did not find URI escaped octet":
            "; quote values that start with !"
        case "did not find expected alphabetic or numeric character": "; quote values that start with & or *"
        case "did not find expected comment or line break": "; quote values that start with | or >"
        case "control characters are not allowed":
            "; write them as escapes in double quotes"
        default: "; check the syntax around it"
        }
    }

    deinit {
        // libyaml's buffers of the input before and after it is decoded, which may contain secret values.
        let (raw, decoded) = (parser.pointee.raw_buffer, parser.pointee.buffer)
        if let start = raw.start, let end = raw.end { explicit_bzero(start, end - start) }
        if let start = decoded.start, let end = decoded.end { explicit_bzero(start, end - start) }
        yaml_parser_delete(parser)
        parser.deallocate()
    }
}
