import Cryptography
import Foundation
import System
import TestSupport
import Testing
import YAML

@testable import CLI

/// Files that are valid in their form, and have more parts than an object can have.
struct InputLimitTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func wrappedSecret(recipients: Int, entries: Int) -> String {
        let recipients = (0..<recipients).map { #"{"keyID":"local:\#($0)","wrappedKey":"QUJDQUJDQUJDQUJD"}"# }
        let entries = (0..<entries).map { #""e\#($0)":"QUJD""# }
        return #"{"apiVersion":"secrets-bridge.io/v1alpha1","kind":"WrappedSecret","metadata":{"name":"db"},"#
            + #""spec":{"format":"v1","scope":"cluster","mac":"QUJD","recipients":[\#(recipients.joined(separator: ","))],"#
            + #""data":{\#(entries.joined(separator: ","))}}}"#
    }

    private func readProblem(_ manifest: String) -> String? {
        errorMessage { () throws(InputError) in
            try WrappedSecretFile(
                path: "w.json", contents: SharedSecret(copying: manifest.utf8), stamp: nil)
        }
    }

    /// Commands compare the recipients of two versions with each other.
    @Test func refusesAWrappedSecretWithTooManyParts() {
        #expect(readProblem(wrappedSecret(recipients: 8, entries: 1024)) == nil)
        #expect(
            readProblem(wrappedSecret(recipients: 9, entries: 1))
                == "w.json:1:1: spec.recipients of WrappedSecret db has 9 items; at most 8 are expected")
        #expect(
            readProblem(wrappedSecret(recipients: 1, entries: 1025))
                == "w.json:1:1: spec.data of WrappedSecret db has 1025 items; at most 1024 are expected")
    }

    private func sealedSecret(values: Int, templates: Int) -> String {
        let values = (0..<values).map { #""v\#($0)":"AAAA""# }.joined(separator: ",")
        let templates = (0..<templates).map { #""t\#($0)":"x""# }.joined(separator: ",")
        return
            #"{"apiVersion":"bitnami.com/v1alpha1","kind":"SealedSecret","metadata":{"name":"a","namespace":"b"},"#
            + #""spec":{"encryptedData":{\#(values)},"template":{"data":{\#(templates)}}}}"#
    }

    private func sealedProblem(_ manifest: String) -> String? {
        errorMessage { () throws(InputError) in
            try ManifestFile.documents(in: secretBytes(manifest), source: "s.json").map {
                node throws(InputError) in
                try SealedSecretDocument(node, source: "s.json")
            }
        }
    }

    /// Each value takes milliseconds of RSA for each key.
    @Test func refusesASealedSecretWithTooManyParts() {
        #expect(sealedProblem(sealedSecret(values: 1024, templates: 64)) == nil)
        #expect(
            sealedProblem(sealedSecret(values: 1025, templates: 0))?
                .hasSuffix(": spec.encryptedData has 1025 items; at most 1024 are expected") == true)
        #expect(
            sealedProblem(sealedSecret(values: 1, templates: 65))?
                .hasSuffix(": spec.template.data has 65 items; at most 64 are expected") == true)
    }

    /// The search for another kind ends where the nodes end too. kubectl may read what is below.
    @Test(arguments: ["[", "{a: ", "- ", "? "])
    func reportsAFileThatNestsTooDeepForASearch(opening: String) async throws {
        let text = "a: \"Secret \\x41\"\nb:\n " + String(repeating: opening, count: 2000)
        let files = WrappedSecretFiles(
            reading: [try folder.write("deep.yaml", text)],
            .init(allowsNone: true, allowsPlaintext: false))
        #expect(files.problems.count == 1)
    }

    /// kubectl may read a file whose directives this program does not give to libyaml.
    @Test(arguments: [
        "%TAG !e! tag:\(String(repeating: "x", count: 300))\n",
        (0..<65).map { "%TAG !e\($0)! tag:a\n" }.joined(),
    ])
    func reportsAFileWithTooManyDirectivesForASearch(directives: String) async throws {
        let text = directives + "---\nkind: \"Sec\\x72et\"\n"
        let files = WrappedSecretFiles(
            reading: [try folder.write("tags.yaml", text)],
            .init(allowsNone: true, allowsPlaintext: false))
        #expect(files.problems.count == 1)
    }

    /// Merge keys place one value in many Secrets, and the text after it is searched for each.
    @Test func notesACommentAfterASharedValueOnce() throws {
        let text = """
            apiVersion: v1
            kind: List
            items:
            - apiVersion: v1
              kind: Secret
              metadata: {name: a}
              stringData: &x
                k: v   # c
            - {apiVersion: v1, kind: Secret, metadata: {name: b}, stringData: {<<: *x}}
            - {apiVersion: v1, kind: Secret, metadata: {name: c}, stringData: *x}
            """
        let secrets = try SecretManifestReader.secrets(in: secretBytes(text), source: "s.yaml")
        #expect(secrets.map(\.name) == ["a", "b", "c"])
        #expect(
            secrets.map(\.commentNotes) == [
                ["s.yaml:8:8: the value of k ends before a comment; quote it if # is part of it"], [], [],
            ])
    }

    private func argumentProblem(_ add: (inout SecretArguments) throws(InputError) -> Void) -> String? {
        errorMessage { () throws(InputError) in
            var arguments = SecretArguments()
            try add(&arguments)
        }
    }

    @Test func refusesAFolderWithTooManyFiles() throws {
        for index in 0..<1025 { try folder.write("many/f\(index)", "") }
        let problem = argumentProblem { arguments throws(InputError) in
            try arguments.addFile(folder.path("many"))
        }
        #expect(
            problem
                == "--from-file: the folder \(folder.path("many")) has 1025 files; a Secret has at most 1024 entries"
        )
    }

    @Test func refusesValuesThatAreLargerThanASecret() throws {
        for name in ["a", "b", "c"] {
            try folder.write("large/\(name)", String(repeating: "x", count: 2 << 20))
        }
        let problem = argumentProblem { arguments throws(InputError) in
            try arguments.addFile(folder.path("large"))
        }
        #expect(
            problem?.hasSuffix("/c: the values have more than 4 MiB in all; a Secret holds 1 MiB") == true)
    }

    /// Each line would have a note.
    @Test func refusesAnEnvironmentFileWithTooManyLines() throws {
        let path = try folder.write("env", (0..<1025).map { "K\($0)\n" }.joined())
        let problem = argumentProblem { arguments throws(InputError) in
            try arguments.addEnvFile(path) { SharedSecret(copying: $0.utf8) }
        }
        #expect(problem == "\(path):1025: a Secret has at most 1024 entries")
    }

    /// Short lines take many times their size as lines of a script.
    @Test func doesNotCompareTheLinesOfLargeTexts() {
        let lines = String(repeating: "a\n", count: 600_000)
        func diff(_ old: String, _ new: String) -> [String] {
            UnifiedDiff(from: SharedSecret(copying: old.utf8), to: SharedSecret(copying: new.utf8)).lines
        }
        #expect(diff(lines, lines) == [])
        let isTooLarge = ["the texts differ, and are too large to compare by lines"]
        #expect(diff("b\n\(lines)c\n", "d\n\(lines)e\n") == isTooLarge)
        let long = String(repeating: "a", count: 5 << 20)
        #expect(diff(long, long + "b") == isTooLarge)
        // Only the lines around the changes count.
        #expect(
            diff(lines + "b\n" + lines, lines + lines) == [
                "@@ -599998,7 +599998,6 @@", " a", " a", " a", "-b", " a", " a", " a",
            ])
        #expect(diff(lines, lines + "b\n") == ["@@ -599998,3 +599998,4 @@", " a", " a", " a", "+b"])
    }

    /// Names in files may have megabytes, and an escape is longer than its character.
    @Test func cutsMessages() {
        #expect(InputError("a.yaml", String(repeating: "\u{1}", count: 4000)).description.utf8.count < 4200)
        #expect(InputError("a.yaml", String(repeating: "n", count: 1 << 20)).description.hasSuffix("n…"))
        #expect(String(repeating: "\u{202E}", count: 100).sanitizedName.utf8.count < 140)
        let path = String(repeating: "p", count: 500)
        #expect([path].listed() == path)
    }

    /// One long name would give its width to all lines.
    @Test func limitsTheWidthOfAColumn() {
        var table = TextTable(["NAME", "READY"])
        table.add(["a", "True"])
        table.add([String(repeating: "n", count: 300), "False"])
        let lines = table.lines
        #expect(lines[1] == "a" + String(repeating: " ", count: 255) + "True")
        #expect(lines[2] == String(repeating: "n", count: 300) + "   False")
    }
}
