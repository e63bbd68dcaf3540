/// PEM (RFC 7468): base64 between `-----BEGIN X-----` and `-----END X-----`. Text around the blocks is ignored, because
/// tools write comments there.
package enum PEM {
    package struct Block: Sendable {
        /// For example `PRIVATE KEY` or `CERTIFICATE`.
        package let label: String
        /// DER, or ciphertext if the block is encrypted (RFC 1421).
        package let contents: SharedSecret
        package let isEncrypted: Bool
    }

    package enum DecodingError: Error, Equatable, Sendable {
        /// The END line is missing, or has another label.
        case missingEndLine(label: String)
        case invalidBase64(label: String)
    }

    /// Returns whether a line starts a block. An indented line, as in YAML, does not.
    package static func containsBlock(_ text: borrowing SecretBytes) -> Bool {
        text.withUnsafeBytes { bytes in lines(bytes).contains { label($0, begin) != nil } }
    }

    /// Returns the blocks in their order.
    ///
    /// - Throws: the error of the first damaged block.
    package static func blocks(in text: borrowing SecretBytes) throws(DecodingError) -> [Block] {
        var blocks: [Block] = []
        for parsed in parsedBlocks(in: text) { blocks.append(try parsed.block.get()) }
        return blocks
    }

    /// A block, valid or damaged, and the line that it starts on.
    package struct ParsedBlock: Sendable {
        package let label: String
        /// The number of the BEGIN line, from 1.
        package let line: Int
        package let block: Result<Block, DecodingError>
    }

    /// Returns all blocks of a text in their order. A damaged block does not hide those after it: reading continues at
    /// the next BEGIN line, as Go's encoding/pem does.
    package static func parsedBlocks(in text: borrowing SecretBytes) -> [ParsedBlock] {
        text.withUnsafeBytes { bytes in
            var blocks: [ParsedBlock] = []
            var open: (label: String, line: Int, body: [UnsafeRawBufferPointer])?
            func close(_ end: String?) {
                guard let current = open else { return }
                open = nil
                let block: Result<Block, DecodingError>
                do throws(DecodingError) {
                    guard end == current.label else { throw .missingEndLine(label: current.label) }
                    block = .success(try Self.block(current.label, current.body))
                } catch {
                    block = .failure(error)
                }
                blocks.append(ParsedBlock(label: current.label, line: current.line, block: block))
            }
            for (index, line) in numberedLines(bytes) {
                if let next = label(line, begin) ?? label(withoutByteOrderMark(line), begin) {
                    close(nil)
                    open = (next, index, [])
                } else if open != nil {
                    if let last = label(line, end) { close(last) } else { open?.body.append(line) }
                }
            }
            close(nil)
            return blocks
        }
    }

    private static func block(
        _ label: String, _ lines: [UnsafeRawBufferPointer]
    ) throws(DecodingError) -> Block {
        var body = SecretBuffer()
        var isEncrypted = label.hasPrefix("ENCRYPTED ")
        for line in lines {
            // Only a header (RFC 1421) has a colon.
            guard !line.contains(UInt8(ascii: ":")) else {
                if line.starts(with: "Proc-Type:".utf8) || line.starts(with: "DEK-Info:".utf8) {
                    isEncrypted = true
                }
                continue
            }
            body.append(line)
        }
        do throws(Base64.DecodingError) {
            return Block(
                label: label,
                contents: SharedSecret(try Base64.decodeSecret(body.finish(), skipping: blanks)),
                isEncrypted: isEncrypted)
        } catch {
            throw .invalidBase64(label: label)
        }
    }

    private static func label(_ line: UnsafeRawBufferPointer, _ prefix: [UInt8]) -> String? {
        let text = line.prefix(line.lastIndex { !blanks.contains($0) }.map { $0 + 1 } ?? 0)
        guard text.count > prefix.count + dashes.count, text.starts(with: prefix),
            text.suffix(dashes.count).elementsEqual(dashes)
        else { return nil }
        let label = text.dropFirst(prefix.count).dropLast(dashes.count)
        // A label has no two adjacent dashes (RFC 7468, 3). A whole block on one line would be taken for a label, key
        // included.
        guard !zip(label, label.dropFirst()).contains(where: { $0 == dashes[0] && $1 == dashes[0] }) else {
            return nil
        }
        return String(decoding: label, as: UTF8.self)
    }

    /// Returns the lines with their numbers, from 1. A line that ends one block and begins the next, as in joined files
    /// without a final line break, is returned as two.
    private static func numberedLines(_ bytes: UnsafeRawBufferPointer) -> [(Int, UnsafeRawBufferPointer)] {
        lines(bytes).enumerated().flatMap { index, line -> [(Int, UnsafeRawBufferPointer)] in
            let whole = [(index + 1, line)]
            guard line.starts(with: end) else { return whole }
            let rest = line.dropFirst(end.count)
            let boundary = rest.indices.first { rest[$0...].starts(with: dashes + begin) }
            guard let boundary else { return whole }
            let middle = boundary + dashes.count
            return [
                (index + 1, UnsafeRawBufferPointer(rebasing: line[..<middle])),
                (index + 1, UnsafeRawBufferPointer(rebasing: line[middle...])),
            ]
        }
    }

    /// Returns whether the bytes may be DER, which some tools write instead of PEM: they begin with a SEQUENCE (0x30)
    /// whose length has 1 to 3 bytes of its own (0x81 to 0x83).
    package static func looksLikeDER(_ bytes: borrowing SecretBytes) -> Bool {
        bytes.withUnsafeBytes { $0.count > 4 && $0[0] == 0x30 && 0x81...0x83 ~= $0[1] }
    }

    private static func lines(_ bytes: UnsafeRawBufferPointer) -> [UnsafeRawBufferPointer] {
        withoutByteOrderMark(bytes).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .map { UnsafeRawBufferPointer(rebasing: $0) }
    }

    /// Removes a byte order mark, which a line in the middle of joined files can begin with, too.
    private static func withoutByteOrderMark(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        guard bytes.starts(with: byteOrderMark) else { return bytes }
        return UnsafeRawBufferPointer(rebasing: bytes.dropFirst(byteOrderMark.count))
    }

    /// The byte order mark of UTF-8, which editors on Windows write.
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    private static let begin = Array("-----BEGIN ".utf8)
    private static let end = Array("-----END ".utf8)
    private static let dashes = Array("-----".utf8)
    private static let blanks = Base64.lineBreaks.union([UInt8(ascii: " "), UInt8(ascii: "\t")])

    /// Appends a block in the form that every reader accepts: base64 in lines of 64 characters.
    package static func append(
        _ contents: borrowing SecretBytes, label: StaticString, to text: inout SecretBuffer
    ) {
        text.append("-----BEGIN ")
        text.append(label)
        text.append("-----\n")
        contents.withUnsafeBytes { bytes in
            for start in stride(from: 0, to: bytes.count, by: 48) {
                text.appendBase64(
                    UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + 48, bytes.count)]))
                text.append(UInt8(ascii: "\n"))
            }
        }
        text.append("-----END ")
        text.append(label)
        text.append("-----\n")
    }
}
