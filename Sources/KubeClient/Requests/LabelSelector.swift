import System

/// Validates the text of a label selector (Kubernetes, "Labels and Selectors") before it is sent. The API server would
/// refuse every list with an invalid one, for as long as a controller runs.
package enum LabelSelector {
    /// Returns the problem in one line, or nil if the selector is valid.
    package static func validationError(_ text: String) -> String? {
        guard text.unicodeScalars.allSatisfy({ $0.isASCII && !$0.isInvisible }) else {
            return "has characters that a label must not contain"
        }
        for requirement in split(text) {
            if let problem = check(requirement.trimmed) { return problem }
        }
        return nil
    }

    /// Splits at the commas outside of parentheses.
    private static func split(_ text: String) -> [Substring] {
        var parts: [Substring] = []
        var start = text.startIndex
        var depth = 0
        for index in text.indices {
            switch text[index] {
            case "(": depth += 1
            case ")": depth -= 1
            case "," where depth == 0:
                parts.append(text[start..<index])
                start = text.index(after: index)
            default: break
            }
        }
        return parts + [text[start...]]
    }

    private static func check(_ requirement: Substring) -> String? {
        guard !requirement.isEmpty else { return "has an empty requirement; example: team=payments,!legacy" }
        if requirement.hasPrefix("!") { return checkKey(requirement.dropFirst().trimmed) }
        if requirement.contains("(") { return checkSet(requirement) }
        for sign in ["==", "!=", "="] {
            guard let range = requirement.firstRange(of: sign) else { continue }
            return checkKey(requirement[..<range.lowerBound].trimmed)
                ?? checkValue(requirement[range.upperBound...].trimmed)
        }
        for sign in [">", "<"] {
            guard let range = requirement.firstRange(of: sign) else { continue }
            let bound = requirement[range.upperBound...].trimmed
            return checkKey(requirement[..<range.lowerBound].trimmed)
                ?? (Int64(bound) == nil
                    ? "compares with \(String(bound).sanitizedName), which is not an integer" : nil)
        }
        return checkKey(requirement)
    }

    /// Checks `key in (a, b)` or `key notin (a, b)`.
    private static func checkSet(_ requirement: Substring) -> String? {
        guard let open = requirement.firstIndex(of: "("), requirement.last == ")" else {
            return "\(String(requirement).sanitizedName) has unbalanced parentheses"
        }
        let words = requirement[..<open].split(separator: " ")
        guard words.count == 2, words[1] == "in" || words[1] == "notin" else {
            return
                "\(String(requirement).sanitizedName) is not a valid requirement; example: team in (payments, billing)"
        }
        let values = requirement[requirement.index(after: open)...].dropLast()
        return checkKey(words[0])
            ?? values.split(separator: ",", omittingEmptySubsequences: false).lazy
            .compactMap { checkValue($0.trimmed) }.first
    }

    private static func checkKey(_ key: Substring) -> String? {
        let parts = key.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let hasValidPrefix =
            parts.count == 1
            || (1...253).contains(parts[0].count) && parts[0].allSatisfy(\.isLowerNameCharacter)
        guard hasValidPrefix, let name = parts.last, !name.isEmpty, isName(name) else {
            return "\(key.isEmpty ? "an empty key" : String(key).sanitizedName) is not a valid label key"
        }
        return nil
    }

    private static func checkValue(_ value: Substring) -> String? {
        value.isEmpty || isName(value) ? nil : "\(String(value).sanitizedName) is not a valid label value"
    }

    private static func isName(_ text: Substring) -> Bool {
        text.count <= 63 && text.allSatisfy { $0.isAlphanumeric || "-_.".contains($0) }
            && text.first?.isAlphanumeric == true && text.last?.isAlphanumeric == true
    }
}

extension Character {
    fileprivate var isAlphanumeric: Bool { isASCII && (isLetter || isNumber) }
    fileprivate var isLowerNameCharacter: Bool {
        isASCII && (isLowercase || isNumber || self == "-" || self == ".")
    }
}

extension Substring {
    fileprivate var trimmed: Substring { trimming { $0 == " " } }
}
