import Cryptography

@testable import CLI

extension FuzzTarget {
    static let diffTargets = [
        FuzzTarget("diff", seeds: Seeds.texts("a\nb\nc\n\0a\nx\nc", "\0a", "a\n\0a"), check: checkDiff)
    ]
}

/// The diff, applied to the old text, gives the new one.
@Sendable private func checkDiff(_ input: [UInt8]) throws {
    let middle = input.firstIndex(of: 0) ?? input.count
    let (old, new) = (Array(input[..<middle]), Array(input.dropFirst(middle + 1)))
    let script = UnifiedDiff(from: old.secret, to: new.secret).lines
    try require(script.isEmpty == (old == new), "a diff of \(script.count) lines")
    guard old.validText != nil, new.validText != nil else { return }
    let before = lines(old)
    var (result, at, index): ([UInt8], Int, Int) = ([], 0, 0)
    while index < script.count {
        let header = script[index].split(separator: " ").dropFirst().first?.dropFirst().split(separator: ",")
        guard script[index].hasPrefix("@@ -"), let start = header?.first.flatMap({ Int($0) }) else {
            throw PropertyViolation(description: "header \(script[index])")
        }
        let count = header?.count == 2 ? Int(header?.last ?? "") ?? 1 : 1
        let first = count == 0 ? start : start - 1
        try require(at...before.count ~= first, "place \(script[index])")
        for line in before[at..<first] { result += line }
        (at, index) = (first, index + 1)
        while index < script.count, !script[index].hasPrefix("@@ ") {
            var body = Array(script[index].utf8.dropFirst())
            let sign = script[index].utf8.first
            if index + 1 < script.count, script[index + 1].hasPrefix("\\ No newline") {
                index += 1
            } else {
                body.append(0x0A)
            }
            if sign == UInt8(ascii: "+") || sign == UInt8(ascii: " ") { result += body }
            if sign != UInt8(ascii: "+") {
                try require(at < before.count && before[at] == body, "line \(at + 1) differs")
                at += 1
            }
            index += 1
        }
    }
    for line in before[at...] { result += line }
    try require(result == new, "another text after the diff is applied")
}

private func lines(_ text: [UInt8]) -> [[UInt8]] {
    var lines = text.split(separator: 0x0A, omittingEmptySubsequences: false).map { Array($0) + [0x0A] }
    if var last = lines.popLast() {
        last.removeLast()
        if !last.isEmpty { lines.append(last) }
    }
    return lines
}
