import System

extension Verification.Report {
    /// The result as a JUnit report: a test case for each WrappedSecret, and one for each file or path with a problem of
    /// its own.
    package var junit: String {
        let others = fileFindings.filter { $0.rule != .note }
        let failures = items.count { !$0.problems.isEmpty }
        let counts =
            "tests=\"\(items.count + others.count)\" failures=\"\(failures)\" errors=\"\(others.count)\" skipped=\"0\""
        return """
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites \(counts)>
              <testsuite name="secrets-bridge verify" \(counts)>

            """ + (items.map(Self.testCase) + others.map(Self.testCase)).joined() + """
                  </testsuite>
                </testsuites>

                """
    }

    private static func testCase(_ item: VerifiedItem) -> String {
        let place = item.location.flatMap { SourcePlace($0) }
        var content = ""
        for finding in item.findings {
            let text = XMLText.escape(finding.message)
            if finding.rule == .note {
                content += "      <system-out>\(text)</system-out>\n"
            } else {
                let start = finding.line.map { "line \($0): " } ?? ""
                content +=
                    "      <failure type=\"\(finding.rule.rawValue)\" message=\"\(text)\">\(start)\(text)</failure>\n"
            }
        }
        return element(name: item.identity, file: place?.path ?? "", line: place?.line, content)
    }

    private static func testCase(_ finding: VerificationFinding) -> String {
        let text = XMLText.escape(finding.message)
        return element(
            name: finding.rule.summary, file: finding.path ?? "", line: finding.line,
            "      <error type=\"\(finding.rule.rawValue)\" message=\"\(text)\">\(text)</error>\n")
    }

    private static func element(name: String, file: String, line: Int?, _ content: String) -> String {
        let file = XMLText.escape(file)
        let attributes =
            "classname=\"\(file)\" name=\"\(XMLText.escape(name))\" file=\"\(file)\""
            + (line.map { " line=\"\($0)\"" } ?? "")
        return content.isEmpty
            ? "    <testcase \(attributes)/>\n" : "    <testcase \(attributes)>\n\(content)    </testcase>\n"
    }
}

/// Writes text into XML 1.0.
enum XMLText {
    /// Escapes markup and quotes. Invisible characters, most of which XML cannot express, become escapes of this program.
    static func escape(_ text: String) -> String {
        text.escapingInvisibleCharacters.unicodeScalars.map { scalar in
            switch scalar {
            case "&": "&amp;"
            case "<": "&lt;"
            case ">": "&gt;"
            case "\"": "&quot;"
            case "'": "&apos;"
            case "\u{FFFE}", "\u{FFFF}": scalar.escaped(asASCII: true)
            default: String(scalar)
            }
        }.joined()
    }
}
