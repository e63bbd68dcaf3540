package import JSON
import System

/// The review of two commits as text, Markdown and JSON.
extension CommitReview {
    /// A line of a fixed text with names from the repository, which the formats write differently.
    private struct Line {
        enum Part {
            case text(String)
            case name(String)
        }

        let isHeading: Bool
        let parts: [Part]

        init(_ parts: Part..., isHeading: Bool = false) {
            self.parts = parts
            self.isHeading = isHeading
        }

        /// Creates a line with a list of names, which is cut.
        init(_ text: String, _ names: [String]) {
            let shown = names.prefix(CommitReview.maximumNames)
            var parts: [Part] = [.text(text)]
            for (index, name) in shown.enumerated() {
                if index > 0 { parts.append(.text(", ")) }
                parts.append(.name(name))
            }
            if names.count > shown.count { parts.append(.text(" and \(names.count - shown.count) more")) }
            self.parts = parts
            isHeading = false
        }

        /// Returns the line with each name as a format writes it.
        func text(name write: (String) -> String) -> String {
            parts.map { part in
                switch part {
                case .text(let text): text
                case .name(let name): write(name)
                }
            }.joined()
        }
    }

    private static let maximumNames = 50
    private static let maximumChanges = 500
    /// GitHub accepts comments of 65,536 characters.
    private static let maximumMarkdown = 60_000
    private static let maximumMarkdownOfChange = 8_000
    private static let maximumSources = 20

    package var summary: String {
        let sources =
            recipientSources.isEmpty ? "" : "; rules and recipient files: \(recipientSources.count) changed"
        guard !changes.isEmpty else { return "no WrappedSecrets changed\(sources)" }
        return "WrappedSecrets: "
            + [ReviewedChange.Kind.added, .changed, .moved, .removed].compactMap { kind in
                let count = changes.count { $0.kind == kind }
                return count == 0 ? nil : "\(count) \(kind.rawValue)"
            }.joined(separator: ", ") + sources
    }

    package var value: JSONValue {
        .array(
            recipientSources.map(\.value) + changes.map(\.value)
                + problems.map { .object([("change", .string("not compared")), ("problem", .string($0))]) })
    }

    /// The review as lines of plain text.
    package var lines: [String] {
        let shown = changes.prefix(Self.maximumChanges).flatMap(Self.lines)
        var lines = (recipientSources.prefix(Self.maximumChanges).flatMap(Self.lines) + shown).map(Self.text)
        if recipientSources.count > Self.maximumChanges {
            lines.append(
                "and \(recipientSources.count - Self.maximumChanges) more rules and recipient files")
        }
        if changes.count > Self.maximumChanges {
            lines.append("and \(changes.count - Self.maximumChanges) more WrappedSecrets")
        }
        return lines + [summary]
    }

    private static func text(_ line: Line) -> String {
        (line.isHeading ? "" : "    ") + line.text(name: cut)
    }

    /// The review as Markdown for a comment. Names are in code spans, in which no markup, link or mention has an effect.
    package var markdown: String {
        var output =
            "<!-- secrets-bridge diff -->\n### \(summary.prefix(1).uppercased() + summary.dropFirst())\n"
        output += notCompared
        let sources = recipientSources.prefix(Self.maximumSources).flatMap(Self.lines).map(Self.markdown)
            .joined()
        if !sources.isEmpty { output += "\n\(sources)" }
        if recipientSources.count > Self.maximumSources {
            output += "- and \(recipientSources.count - Self.maximumSources) more rules and recipient files\n"
        }
        var shown = 0
        for change in changes.prefix(Self.maximumChanges) {
            let text = Self.markdown(of: change)
            // The last line needs room too.
            guard output.utf8.count + text.utf8.count <= Self.maximumMarkdown - 100 else { continue }
            output += (shown == 0 ? "\n" : "") + text
            shown += 1
        }
        if changes.count > shown { output += "\nand \(changes.count - shown) more WrappedSecrets\n" }
        return output
    }

    /// The files that were not compared, which come first, so that no limit of a comment cuts them off.
    private var notCompared: String {
        guard !problems.isEmpty else { return "" }
        let lines = problems.prefix(20).map { "- \(Self.code($0))\n" }
        let more = problems.count > 20 ? "- and \(problems.count - 20) more\n" : ""
        return "\nNot compared:\n\n" + lines.joined() + more
    }

    /// Returns the lines of a change, or its first line alone if they are too long: a large change must neither hide itself nor
    /// those after it.
    private static func markdown(of change: ReviewedChange) -> String {
        let lines = lines(change)
        let text = lines.map(markdown).joined()
        guard text.utf8.count > maximumMarkdownOfChange else { return text }
        return lines.prefix(1).map(markdown).joined()
            + "  - \(lines.count - 1) lines, which are too long for this list\n"
    }

    private static func markdown(_ line: Line) -> String {
        "\(line.isHeading ? "" : "  ")- \(line.text(name: code))\n"
    }

    /// Returns a code span on one line. A backtick, which would end it, is written as an escape.
    private static func code(_ name: String) -> String {
        let text = cut(name).escapingInvisibleCharacters.unicodeScalars.map {
            $0 == "`" ? #"\u{60}"# : String($0)
        }.joined()
        return text.allSatisfy({ $0 == " " }) ? "(empty)" : "`\(text)`"
    }

    private static func cut(_ name: String) -> String {
        name.utf8.count <= 300 ? name : name.truncated(toUTF8: 300) + "\u{2026}"
    }

    private static func lines(_ source: ReviewedRecipientSource) -> [Line] {
        let heading = Line(
            .text("\(source.kind.rawValue) \(source.subject.rawValue) "), .name(source.path), isHeading: true)
        guard source.subject == .recipientFile else { return [heading] }
        return [
            heading,
            Line(
                .text("key: "), .name(source.oldKey ?? "none"), .text(" -> "), .name(source.newKey ?? "none")),
        ]
    }

    private static func lines(_ change: ReviewedChange) -> [Line] {
        var lines = [
            Line(
                .text("\(change.kind.rawValue) "), .name(change.name), .text(" in "), .name(change.path),
                isHeading: true)
        ]
        if let oldPath = change.oldPath { lines.append(Line("moved from ", [oldPath])) }
        if let oldName = change.oldName { lines.append(Line("name before: ", [oldName])) }
        func list(_ text: String, _ names: [String]) {
            if !names.isEmpty { lines.append(Line("\(text): ", names)) }
        }
        list("recipient added", change.addedRecipients)
        list("recipient removed", change.removedRecipients)
        list("rewrapped", change.rewrappedRecipients)
        list("entry added", change.addedEntries)
        list("entry removed", change.removedEntries)
        switch change.values {
        case .same: break
        case .compared
        where change.changedEntries.isEmpty && change.addedEntries.isEmpty
            && change.removedEntries.isEmpty:
            lines.append(Line(.text("encrypted again, the values are the same")))
        case .compared: list("value changed", change.changedEntries)
        case .encryptedAgain:
            if change.changedEntries.isEmpty {
                lines.append(Line(.text("encrypted again")))
            } else {
                list("encrypted again, and not opened: each may have a new value", change.changedEntries)
            }
        }
        for field in change.fields {
            switch (field.old, field.new) {
            case (nil, let new?) where ["added", "removed", "changed"].contains(new):
                lines.append(Line(.name(field.name), .text(" \(new)")))
            case (let old, let new):
                lines.append(
                    Line(
                        .text("\(field.name): "), old.map { .name($0) } ?? .text("not set"), .text(" to "),
                        new.map { .name($0) } ?? .text("not set")))
            }
        }
        return lines
    }
}
