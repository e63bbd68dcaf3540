import Cryptography
import System

/// The bytes of one file, validated as text, which converts offsets to lines and columns. It borrows the bytes, which
/// must outlive it.
struct SourceText {
    let name: String
    /// The bytes without the byte order mark at the start of the file. One at the start of a later document is replaced
    /// by a comment line of the same length, because libyaml rejects it.
    let bytes: UnsafeRawBufferPointer
    /// The length of the byte order mark at the start of the file: 0 or 3.
    private let base: Int
    /// Owns `bytes` if they are not the file's.
    private let copy: SharedSecret?
    /// The offset in `bytes` of each line, after its byte order mark.
    private let lineStarts: [UInt32]
    /// The byte offset of every 1,024th character; empty for ASCII, where offsets and characters are equal.
    private let characterOffsets: [UInt32]

    static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    init(_ file: UnsafeRawBufferPointer, name: String) throws(YAMLError) {
        func error(_ code: YAMLError.Code, _ offset: Int, _ message: String) -> YAMLError {
            let before = file.prefix(offset)
            let lineStart = before.lastIndex(of: lineFeed).map { $0 + 1 } ?? 0
            return YAMLError(
                code: code, source: name, line: before.count { $0 == lineFeed } + 1,
                column: scalarCount(file[lineStart..<offset]) + 1, message: message)
        }
        guard file.count <= YAMLReader.maximumBytes else {
            throw YAMLError(
                code: .tooLarge, source: name, line: 1, column: 1,
                message:
                    "the file has \(file.count) bytes, at most \(YAMLReader.maximumSizeDescription) are read; split it"
            )
        }
        if file.starts(with: [0xFF, 0xFE]) || file.starts(with: [0xFE, 0xFF]) {
            throw error(.notText, 0, "the file is UTF-16; save it as UTF-8")
        }
        base = file.starts(with: Self.byteOrderMark) ? Self.byteOrderMark.count : 0
        let text = UnsafeRawBufferPointer(rebasing: file[base...])
        let notText = "the file is not text; give a file of YAML or JSON in UTF-8"
        do throws(UTF8.ValidationError) {
            _ = try UTF8Span(validating: text.bindMemory(to: UInt8.self).span)
        } catch let invalid {
            throw error(.notText, base + invalid.byteOffsets.lowerBound, notText)
        }
        var lineCount = 1
        var isASCII = true
        for offset in text.indices {
            let byte = text[offset]
            if byte == lineFeed {
                lineCount += 1
            } else if byte < 0x20, byte != tab, byte != carriageReturn {
                throw error(.notText, base + offset, notText)
            } else if byte >= 0x80 {
                isASCII = false
            }
        }
        self.name = name
        let lines = LineIndex(text, count: lineCount)
        if let excess = lines.excessiveDirective {
            throw error(.syntax, base + excess.offset, "\(excess.problem); write the tags out")
        }
        lineStarts = lines.starts
        copy = lines.byteOrderMarks.isEmpty ? nil : Self.commenting(lines.byteOrderMarks, in: text)
        // The pointer stays valid outside the closure: `copy` owns its memory.
        bytes = copy.map { $0.bytes.withUnsafeBytes { $0 } } ?? text
        characterOffsets = isASCII ? [] : Self.characterOffsets(of: bytes)
    }

    /// True if the first character opens a collection, as in JSON.
    var mayBeJSON: Bool {
        let first = bytes.first { $0 != space && $0 != tab && $0 != lineFeed && $0 != carriageReturn }
        return first == UInt8(ascii: "{") || first == UInt8(ascii: "[")
    }

    /// Returns a copy of the text in which `#`, a space and a line feed replace each byte order mark. `lineStarts` does
    /// not count these lines.
    private static func commenting(_ marks: [Int], in text: UnsafeRawBufferPointer) -> SharedSecret {
        SharedSecret(
            SecretBytes(count: text.count) { copy in
                copy.copyMemory(from: text)
                for mark in marks {
                    for (offset, byte) in [UInt8(ascii: "#"), space, lineFeed].enumerated() {
                        copy[mark + offset] = byte
                    }
                }
            })
    }

    private static func characterOffsets(of text: UnsafeRawBufferPointer) -> [UInt32] {
        var offsets: [UInt32] = []
        var characters = 0
        for offset in text.indices where text[offset] & 0xC0 != 0x80 {
            if characters.isMultiple(of: stride) { offsets.append(UInt32(truncatingIfNeeded: offset)) }
            characters += 1
        }
        return offsets
    }

    /// A character and its offset in `bytes`.
    struct Position {
        fileprivate var character = 0
        fileprivate var offset = 0
    }

    /// Converts the index of a character, which libyaml counts, to an offset in `bytes`.
    ///
    /// - Parameter last: The position of the last call, from which the next one is not far.
    func byteOffset(ofCharacter index: Int, from last: inout Position) -> Int {
        guard !characterOffsets.isEmpty else { return min(index, bytes.count) }
        let checkpoint = min(index / Self.stride, characterOffsets.count - 1)
        var position = last
        if position.character > index || position.character < checkpoint * Self.stride {
            position = Position(
                character: checkpoint * Self.stride, offset: Int(characterOffsets[checkpoint]))
        }
        while position.character < index, position.offset < bytes.count {
            position.character += 1
            position.offset += 1
            while position.offset < bytes.count, bytes[position.offset] & 0xC0 == 0x80 {
                position.offset += 1
            }
        }
        last = position
        return position.offset
    }

    /// Returns the index of the character at an offset in `bytes`. Counts from a checkpoint: a file can be one line,
    /// and counting from its start for every node would take quadratic time.
    private func characterIndex(ofByte offset: Int) -> Int {
        let checkpoint = characterOffsets.lastIndex(notAfter: offset)
        return checkpoint * Self.stride + scalarCount(bytes[Int(characterOffsets[checkpoint])..<offset])
    }

    /// Returns the range of two offsets in `bytes`, as offsets in the file.
    func range(_ start: Int, _ end: Int) -> SourceRange {
        let start = min(start, bytes.count)
        let line = lineStarts.lastIndex(notAfter: start)
        return SourceRange(
            line: line + 1, column: characterCount(from: Int(lineStarts[line]), to: start) + 1,
            start: base + start,
            end: base + max(start, min(end, bytes.count)))
    }

    /// Returns the number of characters between two offsets in `bytes`.
    private func characterCount(from start: Int, to end: Int) -> Int {
        guard !characterOffsets.isEmpty else { return max(0, end - start) }
        guard end - start > Self.stride else { return scalarCount(bytes[min(start, end)..<end]) }
        return characterIndex(ofByte: end) - characterIndex(ofByte: start)
    }

    /// Returns the position of an offset in the file.
    func position(ofFileOffset offset: Int) -> SourceRange {
        range(max(0, offset - base), max(0, offset - base))
    }

    func error(_ code: YAMLError.Code, at offset: Int, _ message: String) -> YAMLError {
        error(code, at: range(offset, offset), message)
    }

    func error(_ code: YAMLError.Code, at range: SourceRange, _ message: String) -> YAMLError {
        YAMLError(code: code, source: name, line: range.line, column: range.column, message: message)
    }

    /// The number of characters from one element of `characterOffsets` to the next.
    private static let stride = 1024
}

let tab = UInt8(ascii: "\t")
let lineFeed = UInt8(ascii: "\n")
let carriageReturn = UInt8(ascii: "\r")
let space = UInt8(ascii: " ")

/// Returns the number of Unicode scalars: of the bytes that do not continue a UTF-8 sequence (`10xxxxxx`).
private func scalarCount(_ bytes: Slice<UnsafeRawBufferPointer>) -> Int {
    bytes.count { $0 & 0xC0 != 0x80 }
}

extension [UInt32] {
    /// Returns the index of the last number up to `limit`. The numbers ascend from 0.
    fileprivate func lastIndex(notAfter limit: Int) -> Int {
        Swift.max(0, partitioningIndex { Int($0) > limit } - 1)
    }
}
