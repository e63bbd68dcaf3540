import System

/// The text of a label selector (API concepts, "Labels and Selectors"), checked before it is sent: the API server
/// refuses a wrong one with every list, for as long as a controller runs.
package enum LabelSelector {
    /// What is wrong with it, in one line; nil when nothing is.
    package static func validationError(_ text: String) -> String? {
        guard text.unicodeScalars.allSatisfy({ $0.isASCII && !$0.isInvisible }) else {
            return "has characters that no label has"
        }
        for requirement in split(text) {
            if let problem = check(requirement.trimmed) { return problem }
        }
        return nil
    }

    /// At the commas that are not in parentheses.
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
        if let absent = requirement.dropPrefix("!") { return checkKey(absent.trimmed) }
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
                ?? (Int64(bound) == nil ? "compares with \(bound), which is not an integer" : nil)
        }
        return checkKey(requirement)
    }

    /// `key in (a, b)` or `key notin (a, b)`
    private static func checkSet(_ requirement: Substring) -> String? {
        guard let open = requirement.firstIndex(of: "("), requirement.last == ")" else {
            return "\(requirement) has a parenthesis too many or too few"
        }
        let words = requirement[..<open].split(separator: " ")
        guard words.count == 2, words[1] == "in" || words[1] == "notin" else {
            return "\(requirement) is not understood; example: team in (payments, billing)"
        }
        let values = requirement[requirement.index(after: open)...].dropLast()
        return checkKey(words[0])
            ?? values.split(separator: ",", omittingEmptySubsequences: false).lazy
            .compactMap { checkValue($0.trimmed) }.first
    }

    private static func checkKey(_ key: Substring) -> String? {
        let parts = key.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let prefixIsRight =
            parts.count == 1
            || (1...253).contains(parts[0].count) && parts[0].allSatisfy(\.isLowerNameCharacter)
        guard prefixIsRight, let name = parts.last, !name.isEmpty, isName(name) else {
            return "\(key.isEmpty ? "an empty key" : String(key)) is not a label's key"
        }
        return nil
    }

    private static func checkValue(_ value: Substring) -> String? {
        value.isEmpty || isName(value) ? nil : "\(value) is not a label's value"
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
    fileprivate var trimmed: Substring {
        var text = self
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return text
    }

    fileprivate func dropPrefix(_ prefix: String) -> Substring? {
        hasPrefix(prefix) ? dropFirst(prefix.count) : nil
    }
}
