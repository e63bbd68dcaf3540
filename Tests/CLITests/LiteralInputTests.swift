import Foundation
import Primitives
import Testing

@testable import CLI

/// `--from-literal`, `--from-file` and `--from-env-file`, as kubectl 1.36 was seen to take them.
@Suite struct LiteralInputTests {
    /// A folder of its own, gone afterwards.
    private func withFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sb-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try body(folder.path)
    }

    private func write(_ text: String, to path: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }

    private func literals(_ arguments: String...) throws(InputError) -> [String: String] {
        var input = LiteralInput()
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
    func badLiterals(argument: String) {
        expectSpeakable(refusal { () throws(InputError) in try literals(argument) })
    }

    @Test func nothingIsGivenTwice() {
        let message = refusal { () throws(InputError) in try literals("a=\(canary)", "a=x") }
        #expect(message == #"--from-literal: the entry "a" is given twice"#)
    }

    @Test func readsFiles() throws {
        try withFolder { folder in
            try write("one\n", to: "\(folder)/plain.txt")
            var input = LiteralInput()
            try input.addFile("\(folder)/plain.txt")
            try input.addFile("key=\(folder)/plain.txt")
            #expect(
                entries(input.secret(name: "x", namespace: nil, type: nil)) == [
                    "plain.txt": "one\n", "key": "one\n",
                ])
        }
    }

    @Test func readsFolders() throws {
        try withFolder { folder in
            try write("1", to: "\(folder)/a")
            try write("2", to: "\(folder)/.b")
            try FileManager.default.createDirectory(
                atPath: "\(folder)/sub", withIntermediateDirectories: false)
            try FileManager.default.createSymbolicLink(atPath: "\(folder)/link", withDestinationPath: "a")
            var input = LiteralInput()
            try input.addFile(folder)
            #expect(entries(input.secret(name: "x", namespace: nil, type: nil)) == ["a": "1", ".b": "2"])
            let named = refusal { () throws(InputError) in
                var input = LiteralInput()
                try input.addFile("key=\(folder)")
            }
            #expect(named?.contains("leave out the key") == true)
            try write(canary, to: "\(folder)/no key")
            let odd = refusal { () throws(InputError) in
                var input = LiteralInput()
                try input.addFile(folder)
            }
            #expect(odd?.contains(#"the entry "no key""#) == true, "not left out in silence")
            expectSpeakable(odd)
        }
    }

    @Test(arguments: ["", "=", "a=", "=/etc/hostname", "a=b=c", "/nonexistent/file", "k=/nonexistent/file"])
    func badFiles(argument: String) {
        let message = refusal { () throws(InputError) in
            var input = LiteralInput()
            try input.addFile(argument)
        }
        #expect(message != nil)
        expectSpeakable(message)
    }

    private func env(_ text: [UInt8], _ environment: [String: String] = [:]) throws -> [String: String] {
        try withFolder { folder in
            try Data(text).write(to: URL(fileURLWithPath: "\(folder)/.env"))
            var input = LiteralInput()
            try input.addEnvFile("\(folder)/.env") { key in
                environment[key].map { SharedSecret(copying: $0.utf8) }
            }
            return entries(input.secret(name: "x", namespace: nil, type: nil))
        }
    }

    /// Each was tried: `kubectl create secret generic x --from-env-file f --dry-run=client -o yaml`.
    static let lines: [(String, [String: String])] = [
        ("", [:]), ("A=1", ["A": "1"]), ("A=1\nB=2\n", ["A": "1", "B": "2"]), ("A= x y \n", ["A": " x y "]),
        ("  A=1\r\n", ["A": "1"]), ("A=1\r\r\n", ["A": "1\r"]), ("\u{B}A=1\n", ["A": "1"]),
        ("# c\n\nA=b=c\n", ["A": "b=c"]), ("A=\"q\"\n", ["A": "\"q\""]), ("\u{FEFF}A=1\n", ["A": "1"]),
        (" \r\nA=1", ["A": "1"]), ("   \n", [:]), ("\r\nA=2\n", ["A": "2"]), ("A=#x\n", ["A": "#x"]),
        ("HELLO\n", ["HELLO": "hi"]), ("UNSET\n", ["UNSET": ""]), ("A=\u{301}\n", ["A": "\u{301}"]),
        ("my.env-name=1\n", ["my.env-name": "1"]), ("A=\n", ["A": ""]),
    ]

    @Test(arguments: lines) func readsEnvFiles(text: String, expected: [String: String]) throws {
        #expect(try env(Array(text.utf8), ["HELLO": "hi"]) == expected)
    }

    @Test(arguments: [
        "1A=2\n", "export A=\(canary)\n", "..A=1\n", "A=1\nA=2\n", "=x\n", "A b=1\n", "A=1\n\u{FEFF}B=1\n",
        "a:b=1\n",
        ".=1\n",
    ]) func badEnvFiles(text: String) throws {
        #expect(throws: InputError.self) { try env(Array(text.utf8)) }
        do {
            _ = try env(Array(text.utf8))
        } catch {
            expectSpeakable("\(error)")
        }
    }

    @Test func envFilesAreText() {
        #expect(throws: InputError.self) { try env([0x41, 0x3D, 0xFF, 0x0A]) }
    }
}
