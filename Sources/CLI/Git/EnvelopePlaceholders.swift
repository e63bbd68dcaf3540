import Cryptography

/// Replaces the lines of envelopes by one line each in three texts, so that git merges the rest of the texts, and puts the
/// merged envelopes in their place afterwards.
struct EnvelopePlaceholders {
    private typealias Edit = (range: Range<Int>, text: [UInt8])

    /// The edits of base, ours and theirs.
    private var edits: [[Edit]] = [[], [], []]
    private var results: [(placeholder: [UInt8], text: [UInt8], isConflict: Bool)] = []

    /// Adds a merged envelope.
    ///
    /// - Parameter fields: The lines of the fields. Without `data`, the merged envelope has no entries.
    mutating func add(_ fields: [String: [UInt8]], for regions: MergeVersions.Regions) {
        var placeholders: [String: [UInt8]] = [:]
        for name in EnvelopeRegion.fieldNames {
            guard let text = fields[name] else { continue }
            let placeholder = Self.makePlaceholder()
            placeholders[name] = placeholder
            results.append((placeholder, text, false))
        }
        for (index, region) in [regions.base, regions.ours, regions.theirs].enumerated() {
            guard let region else { continue }
            for (name, lines) in region.fields {
                var text = placeholders[name] ?? []
                // A version without entries gets the place of `data`, so that all versions have it.
                if name == "mac", region.fields["data"] == nil { text += placeholders["data"] ?? [] }
                edits[index].append((lines.range, text))
            }
        }
    }

    /// Adds two envelopes in conflict, each as a whole.
    ///
    /// - Returns: False if the lines of a version are not next to each other.
    mutating func addConflict(for regions: MergeVersions.Regions, _ markers: ConflictMarkers) -> Bool {
        guard let ours = regions.ours.block, let theirs = regions.theirs.block else { return false }
        var blocks: [EnvelopeRegion.Lines?] = [nil, ours, theirs]
        if let base = regions.base {
            guard let block = base.block else { return false }
            blocks[0] = block
        }
        let placeholder = Self.makePlaceholder()
        for (index, block) in blocks.enumerated() {
            if let block { edits[index].append((block.range, placeholder)) }
        }
        results.append((placeholder, markers.conflict(ours.text, theirs.text), true))
        return true
    }

    /// Returns a comment that occurs in no file.
    private static func makePlaceholder() -> [UInt8] {
        let random = (0..<2).map { _ in String(UInt64.random(in: 0 ... .max), radix: 16) }.joined(
            separator: "-")
        return Array("# secrets-bridge envelope \(random)\n".utf8)
    }

    /// Returns the text of a version (0 base, 1 ours, 2 theirs) with placeholders.
    func apply(to version: Int, _ text: SharedSecret) -> SharedSecret {
        let edits = edits[version].sorted { $0.range.lowerBound < $1.range.lowerBound }
        guard !edits.isEmpty else { return text }
        var output = SecretBuffer(capacity: text.count)
        text.bytes.withUnsafeBytes { bytes in
            var position = 0
            for edit in edits where edit.range.lowerBound >= position {
                output.append(UnsafeRawBufferPointer(rebasing: bytes[position..<edit.range.lowerBound]))
                output.append(edit.text)
                position = edit.range.upperBound
            }
            output.append(UnsafeRawBufferPointer(rebasing: bytes[position...]))
        }
        return SharedSecret(output.finish())
    }

    /// Returns the merged text with the envelopes, or nil if an envelope in conflict is inside another conflict.
    func resolve(_ merged: [UInt8], _ markers: ConflictMarkers) -> [UInt8]? {
        var known: [[UInt8]: Int] = [:]
        for (index, result) in results.enumerated() { known[result.placeholder] = index }
        var text: [UInt8] = []
        text.reserveCapacity(merged.count)
        var rest = merged[...]
        var isInConflict = false
        while !rest.isEmpty {
            let end = rest.firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? rest.endIndex
            let line = rest[..<end]
            rest = rest[end...]
            if line.first == UInt8(ascii: "#"), let index = known[Array(line)] {
                if results[index].isConflict, isInConflict { return nil }
                text += results[index].text
                continue
            }
            isInConflict = markers.isInConflict(after: line, isInConflict)
            text += line
        }
        return text
    }
}
