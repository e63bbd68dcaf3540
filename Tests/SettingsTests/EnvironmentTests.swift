import Cryptography
import System
import TestSupport
import Testing

@testable import Settings

struct EnvironmentTests {
    @Test(arguments: [
        ("a", "a"), (" a ", "a"), ("a\n", "a"), ("\ta\r\n", "a"), ("\u{A0}a\u{3000}", "a"), ("a b", "a b"),
        ("\u{FEFF}a", "a"), ("", nil), ("  \n", nil), ("é", "é"),
    ])
    func trimsWhiteSpaceAroundASetting(value: String, expected: String?) {
        let environment = Environment(["X": value])
        #expect(environment.value("X") == expected)
        #expect(environment.inlineSecret("X")?.text == expected)
    }

    @Test func returnsTheExactValueOfData() {
        #expect(Environment(["X": " a \n"]).exactValue("X") == " a \n")
        #expect(Environment(["X": ""]).exactValue("X") == nil)
    }

    @Test func readsASecretFromTheVariableOrItsFile() throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let file = try folder.write("secret", "\u{FEFF} s \n")
        #expect(try Environment([:]).secret("X") == nil)
        #expect(try Environment(["X": "s"]).secret("X")?.text == "s")
        #expect(try Environment(["X_FILE": file]).secret("X")?.text == "s")
        let both = #expect(throws: SettingError.self) {
            try Environment(["X": "s", "X_FILE": file]).secret("X")
        }
        #expect(both?.variable == "X")
    }

    @Test func anErrorDoesNotQuoteASecretInPlaceOfItsFile() {
        let error = #expect(throws: SettingError.self) {
            try Environment(["X_FILE": "hunter2"]).secret("X")
        }
        #expect(error?.variable == "X_FILE")
        #expect(error?.description.contains("hunter2") == false)
    }

    /// The kernel keeps no copy, and after `forget` the process none either.
    @Test func forgetsAVariableThatIsNotReadAnyMore() throws {
        let name = "SB_TEST_FORGOTTEN"
        OwnVariables.keep([name: SharedSecret(copying: "dGhlIGtleQ==\0".utf8)])
        let environment = Environment.process.overriding(["SB_TEST_OTHER": "x"])
        #expect(environment.inlineSecret(name)?.text == "dGhlIGtleQ==")
        environment.forget([name])
        #expect(environment.inlineSecret(name) == nil)
        #expect(Environment.process.value(name) == nil)
    }

    @Test(arguments: ["a\nb", "a\u{1B}[2Jb", String(repeating: "x", count: 10_000)])
    func messagesAreOneBoundedLine(text: String) {
        #expect(isOneLine(SettingError(variable: "X", problem: text).description))
        #expect(text.asOneLine.utf8.count < 2100)
        #expect(text.sanitizedName.utf8.count < 200)
    }
}

private func isOneLine(_ message: String) -> Bool { !message.unicodeScalars.contains { $0.isInvisible } }

extension SharedSecret {
    fileprivate var text: String { bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
}
