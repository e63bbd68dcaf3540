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
