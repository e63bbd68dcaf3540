import Cryptography
import Foundation
import TestSupport
import Testing

@testable import CLI

/// Reads `--from-literal`, `--from-file` and `--from-env-file` as kubectl 1.36 does.
@Suite struct SecretArgumentsTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func literals(_ arguments: String...) throws(InputError) -> [String: String] {
        var input = SecretArguments()
        for argument in arguments { try input.addLiteral(argument) }
        return entries(input.secret(name: "x", namespace: nil, type: nil))
    }

    @Test func readsLiterals() throws {
        #expect(
            try literals("a=", "b==x", "c=\"a b\"", "d=e=f", "g=\u{301}x") == [
                "a": "", "b": "=x", "c": "\"a b\"", "d": "e=f", "g": "\u{301}x",
            ])
    }

    @Test(arguments: ["", "=\(canary)", canary, "a/b=\(canary)", "..a=\(canary)", "é=\(canary)"])
    func refusesInvalidLiterals(argument: String) {
        expectSafeMessage(errorMessage { () throws(InputError) in try literals(argument) })
    }

    @Test func refusesADuplicateEntry() {
        let message = errorMessage { () throws(InputError) in try literals("a=\(canary)", "a=x") }
        #expect(message == #"--from-literal: the entry "a" is given twice"#)
    }

    @Test func readsFiles() throws {
        let file = try folder.write("plain.txt", "one\n")
        var input = SecretArguments()
        try input.addFile(file)
        try input.addFile("key=\(file)")
        #expect(
            entries(input.secret(name: "x", namespace: nil, type: nil)) == [
                "plain.txt": "one\n", "key": "one\n",
            ])
    }

    @Test func readsFolders() throws {
        try folder.write("a", "1")
        try folder.write(".b", "2")
        try folder.write("sub/c", "3")
        try folder.link("link", to: "a")
        var input = SecretArguments()
        try input.addFile(folder.path)
        #expect(entries(input.secret(name: "x", namespace: nil, type: nil)) == ["a": "1", ".b": "2"])
        let named = errorMessage { () throws(InputError) in
            var input = SecretArguments()
            try input.addFile("key=\(folder.path)")
        }
        #expect(named?.contains("leave out the key") == true)
        try folder.write("no key", canary)
        let invalid = errorMessage { () throws(InputError) in
            var input = SecretArguments()
            try input.addFile(folder.path)
        }
        #expect(
            invalid?.contains("/no key: this is not the name of an entry") == true,
            "an invalid name is not skipped silently")
        expectSafeMessage(invalid)
    }

    @Test(arguments: ["", "=", "a=", "=/etc/hostname", "a=b=c", "/nonexistent/file", "k=/nonexistent/file"])
    func refusesInvalidFiles(argument: String) {
        let message = errorMessage { () throws(InputError) in
            var input = SecretArguments()
            try input.addFile(argument)
        }
        #expect(message != nil)
        expectSafeMessage(message)
    }

    private func env(_ text: [UInt8], _ environment: [String: String] = [:]) throws -> [String: String] {
        let file = try folder.write(".env", text)
        var input = SecretArguments()
        try input.addEnvFile(file) { key in environment[key].map { SharedSecret(copying: $0.utf8) } }
        return entries(input.secret(name: "x", namespace: nil, type: nil))
    }

    /// Each case was compared with `kubectl create secret generic x --from-env-file f --dry-run=client -o yaml`.
    static let lines: [(String, [String: String])] = [
        ("", [:]), ("A=1", ["A": "1"]), ("A=1\nB=2\n", ["A": "1", "B": "2"]), ("A= x y \n", ["A": " x y "]),
        ("  A=1\r\n", ["A": "1"]), ("A=1\r\r\n", ["A": "1\r"]), ("\u{B}A=1\n", ["A": "1"]),
        ("# c\n\nA=b=c\n", ["A": "b=c"]), ("A=\"q\"\n", ["A": "\"q\""]), ("\u{FEFF}A=1\n", ["A": "1"]),
        (" \r\nA=1", ["A": "1"]), ("   \n", [:]), ("\r\nA=2\n", ["A": "2"]), ("A=#x\n", ["A": "#x"]),
        ("HELLO\n", ["HELLO": "hi"]), ("A=\u{301}\n", ["A": "\u{301}"]),
        ("my.env-name=1\n", ["my.env-name": "1"]), ("A=\n", ["A": ""]),
    ]

    @Test(arguments: lines) func readsEnvFiles(text: String, expected: [String: String]) throws {
        #expect(try env(Array(text.utf8), ["HELLO": "hi"]) == expected)
    }

    /// kubectl 1.36 keeps these characters, and other readers of such files strip them.
    @Test func notesWhatOtherReadersStrip() throws {
        let file = try folder.write(
            ".env", "A=\"\(canary)\"\nB='x'\nC=x # y\nD=x \nHELLO\nE=x#y\nF=a\"b\"\nG=\n")
        var input = SecretArguments()
        try input.addEnvFile(file) { $0 == "HELLO" ? SharedSecret(copying: canary.utf8) : nil }
        let quotes = "keeps its quotes, as with kubectl; remove them if they are not part of it"
        #expect(
            input.notes == [
                "\(file):1: the value of A \(quotes)", "\(file):2: the value of B \(quotes)",
                "\(file):3: the value of C keeps the text after #, as with kubectl; put a comment on its own line",
                "\(file):4: the value of D ends with white space, which is kept, as with kubectl",
                "\(file):5: HELLO has no =; its value is taken from the environment",
            ])
    }

    /// kubectl 1.36 makes it an entry with an empty value.
    @Test(arguments: ["A=1\n\(canary)\n", "A=-----BEGIN\n\(canary)\nB=1\n"])
    func refusesANameWithoutAVariable(text: String) throws {
        let message = errorMessage { () throws(InputError) in
            var input = SecretArguments()
            try input.addEnvFile(try write(text)) { _ in nil }
        }
        #expect(message?.contains(".env:2: a line without = is the name of an environment variable") == true)
        expectSafeMessage(message)
    }

    /// The padding of base64 is no sign between a name and a value.
    @Test(arguments: ["GAE6xg4dult7V0BTt75j3w==", "GAE6xg4dult7V0BTt75j3wa=", "abcdef==\r"])
    func refusesTheEndOfAWrappedValue(line: String) throws {
        let message = errorMessage { () throws(InputError) in
            var input = SecretArguments()
            try input.addEnvFile(try write("KEY=\(String(repeating: "aB3/", count: 16))\n\(line)\n")) { _ in
                nil
            }
        }
        #expect(
            message?.contains(".env:2: the line looks like the end of a value in base64") == true,
            "\(message ?? "")")
        #expect(message?.contains("abcdef") == false && message?.contains("GAE6") == false)
    }

    @Test(arguments: ["A=1\nEMPTY01=\n", "A=1\nabcdef==\n", "API=\nKey=\nv1Beta9x=1\n"])
    func acceptsNamesOfEmptyValues(text: String) throws {
        #expect(try env(Array(text.utf8)).count > 1)
    }

    /// Parts of such a value would become the names of entries.
    @Test(arguments: [
        "A=1\nB=\"abc\n\(canary)\nq=\"\n", "A=1\nB='\(canary)\nx=y'\n", "A=1\nB=\"\n\(canary)\n\"\nC=1\n",
        "A=1\nB=\"x\\\"\nC=\(canary)\" \r\n", "A=1\nB='x\n\nC=1\n\(canary)/+\n",
    ])
    func refusesAQuotedValueOverSeveralLines(text: String) throws {
        let message = errorMessage { () throws(InputError) in
            var input = SecretArguments()
            try input.addEnvFile(try write(text)) { _ in nil }
        }
        #expect(message?.contains(".env:2: the value of B begins with a quote") == true, "\(message ?? "")")
        #expect(message?.contains("values over several lines need --from-file") == true)
        expectSafeMessage(message)
    }

    @Test(arguments: [
        "A=\"x\" # y\nHELLO\nB='z'\n", "A='x' \nHELLO\n", "A='tis\nB=1\n# it's\n", "A=1\nHELLO\nB=\"x\n",
    ])
    func acceptsAQuotedValueOnOneLine(text: String) throws {
        #expect(try env(Array(text.utf8), ["HELLO": "hi"]).count > 1)
    }

    private func write(_ text: String) throws(InputError) -> String {
        do {
            return try folder.write(".env", text)
        } catch {
            throw InputError("\(error)")
        }
    }

    @Test func explainsExportAndConflictMarkers() throws {
        for (text, part) in [
            ("A=1\nexport B=\(canary)\n", ".env:2: export is a shell command"),
            ("\u{FEFF}A=1\n<<<<<<< HEAD\nB=2\n", ".env:2: <<<<<<< is a conflict marker of git"),
        ] {
            let file = try folder.write(".env", text)
            let message = errorMessage { () throws(InputError) in
                var input = SecretArguments()
                try input.addEnvFile(file) { _ in nil }
            }
            #expect(message?.contains(part) == true, "\(message ?? "")")
            expectSafeMessage(message)
        }
    }

    @Test(arguments: [
        "1A=2\n", "export A=\(canary)\n", "..A=1\n", "A=1\nA=2\n", "=x\n", "A b=1\n", "A=1\n\u{FEFF}B=1\n",
        "a:b=1\n",
        ".=1\n",
    ]) func refusesInvalidEnvFiles(text: String) throws {
        #expect(throws: InputError.self) { try env(Array(text.utf8)) }
        do {
            _ = try env(Array(text.utf8))
        } catch {
            expectSafeMessage("\(error)")
        }
    }

    @Test func refusesEnvFilesThatAreNotUTF8() {
        #expect(throws: InputError.self) { try env([0x41, 0x3D, 0xFF, 0x0A]) }
        let file = folder.path(".env")
        for mark: [UInt8] in [[0xFF, 0xFE], [0xFE, 0xFF]] {
            #expect(throws: InputError("\(file): is UTF-16; save it as UTF-8")) { try env(mark + [0x41, 0]) }
        }
    }
}
