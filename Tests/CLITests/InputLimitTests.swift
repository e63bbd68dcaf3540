import Cryptography
import Foundation
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

    /// The search for another kind ends where the nodes end too. kubectl may read what is below.
    @Test(arguments: ["[", "{a: ", "- ", "? "])
    func reportsAFileThatNestsTooDeepForASearch(opening: String) async throws {
        let text = "a: \"Secret \\x41\"\nb:\n " + String(repeating: opening, count: 2000)
        let files = WrappedSecretFiles(
            reading: [try folder.write("deep.yaml", text)],
            .init(allowsNone: true, allowsPlaintext: false))
        #expect(files.problems.count == 1)
    }
}
