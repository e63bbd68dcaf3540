import System

/// Two revisions as git writes them: `BASE..HEAD` compares both, `BASE...HEAD` compares HEAD with the last commit that
/// both have in common. A missing revision is HEAD.
package struct RevisionRange: Sendable, Equatable {
    package let base: String
    package let head: String
    package let usesMergeBase: Bool

    /// - Throws: `InputError` if the text is not a range, or git could read a revision as an option.
    package init(_ text: String) throws(InputError) {
        guard let dots = text.firstRange(of: "..") else { throw Self.error(text) }
        let rest = text[dots.upperBound...]
        usesMergeBase = rest.hasPrefix(".")
        let (left, right) = (text[..<dots.lowerBound], usesMergeBase ? rest.dropFirst() : rest)
        guard !left.isEmpty || !right.isEmpty, !right.contains(".."), !right.hasPrefix("."),
            !left.hasPrefix("-"), !right.hasPrefix("-"), !text.unicodeScalars.contains(where: \.isInvisible)
        else { throw Self.error(text) }
        base = left.isEmpty ? "HEAD" : String(left)
        head = right.isEmpty ? "HEAD" : String(right)
    }

    private static func error(_ text: String) -> InputError {
        InputError(
            "\(quoted(text)) is not two revisions; give BASE..HEAD, or BASE...HEAD for the changes since both had the "
                + "same history", isUsage: true)
    }
}
