import Cryptography
import Envelope
import Foundation
import KMS
import KubeClient
import Resources
import System
import TestSupport
import Testing
import YAML

@testable import CLI

/// Rewraps files between local keys.
struct FileRewrapTests {
    private let old: LocalKeyManager
    private let new: LocalKeyManager
    private let folder: TemporaryFolder

    init() throws {
        old = try Self.key(1)
        new = try Self.key(2)
        folder = try TemporaryFolder()
    }

    private static func key(_ seed: UInt8) throws -> LocalKeyManager {
        try LocalKeyManager(master: SharedSecret(copying: [UInt8](repeating: seed, count: 32)))
    }
    /// Writes WrappedSecrets with these names and keys among other documents, in a layout that a user may have chosen.
    private func write(
        _ file: String, _ names: [String], by keys: [LocalKeyManager], lineBreak: String = "\n"
    ) async throws -> String {
        var documents = ["# The team's.\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n"]
        for name in names {
            let envelope = try await Envelope.seal(
                [SecretEntry(name: "password", value: SharedSecret(copying: canary.utf8))],
                binding: try Binding(scope: .strict, namespace: "payments", secretName: name), with: keys[0],
                recipients: Array(keys.dropFirst()))
            let fields = envelope.fields
            let recipients = fields.recipients.map {
                "    - wrappedKey: \"\($0.wrappedKey)\" # of \(name)\n      keyID: '\($0.keyID)'\n"
            }.joined()
            documents.append(
                """
                apiVersion: secrets-bridge.io/v1alpha1
                kind: WrappedSecret
                metadata:
                  namespace: payments   # é
                  name: \(name)
                spec:
                  # Who opens it:
                  recipients:
                \(recipients)  format: v1
                  mac: "\(fields.mac)"
                  data: {password: "\(fields.data["password"] ?? "")"}
                  scope: strict

                """)
        }
        let text = documents.joined(separator: "---\n").replacing("\n", with: lineBreak)
        try folder.write(file, text)
        return text
    }

    private func rewrap(
        _ ring: KeyRing, _ strategy: RewrapStrategy, isDryRun: Bool = false
    ) async throws -> [RewrapResult] {
        let results = Locked<[RewrapResult]>([])
        await FileRewrapper(
            keys: ring, strategy: strategy, namespace: nil, isDryRun: isDryRun,
            retryPolicy: KMSRetryPolicy(attempts: 2) { _ in }
        ).rewrap(ManifestPaths([folder.path]).files) { more in results.withLock { $0 += more } }
        return results.withLock { $0 }
    }

    private func recipients(_ file: String) throws -> [[String]] {
        try WrappedSecretFile(reading: folder.path(file)).documents.map {
            $0.object.spec.envelope.recipients.map(\.keyID)
        }
    }

    private func opens(_ file: String, with key: LocalKeyManager) async throws -> Bool {
        for document in try WrappedSecretFile(
            path: file, contents: SharedSecret(copying: Array(try folder.read(file).utf8)), stamp: nil
        ).documents {
            let object = document.object
            let envelope = try Envelope(
                object.spec.envelope, namespace: object.metadata.namespace, secretName: object.secretName)
            guard (try? await envelope.open(with: KeyRing(primary: key))) != nil else { return false }
        }
        return true
    }

    /// Returns the lines that differ between two texts.
    private func changedLines(_ before: String, _ after: String) -> [String] {
        let lines = { (text: String) in text.replacing("\r\n", with: "\n").components(separatedBy: "\n") }
        let (before, after) = (lines(before), lines(after))
        return after.difference(from: before).insertions.map { change in
            if case .insert(_, let line, _) = change { line } else { "" }
        }
    }

    @Test(arguments: ["\n", "\r\n"])
    func changesOnlyRecipientsIfTheMasterKeyChanges(lineBreak: String) async throws {
        let before = try await write("a.yaml", ["one", "two"], by: [old], lineBreak: lineBreak)
        let results = try await rewrap(KeyRing(primary: new, others: [old]), .refresh)
        #expect(results.allSatisfy { if case .changed = $0.outcome { true } else { false } })
        let after = try folder.read("a.yaml")
        let changed = changedLines(before, after)
        #expect(changed.count == 4)
        #expect(changed.allSatisfy { $0.contains("wrappedKey: \"") || $0.contains("keyID: '") })
        #expect(changed.filter { $0.contains("# of ") }.count == 2)
        #expect(after.utf8.count { $0 == 13 } == before.utf8.count { $0 == 13 })
        #expect(try await opens("a.yaml", with: new))
        #expect(try await !opens("a.yaml", with: old))
        // A second run changes nothing.
        #expect(
            try await rewrap(KeyRing(primary: new, others: [old]), .refresh).allSatisfy {
                $0.outcome == .current
            })
        #expect(try folder.read("a.yaml") == after)
    }

    @Test func addsAKeyAndRemovesTheOther() async throws {
        let before = try await write("a.yaml", ["one"], by: [old])
        let ring = KeyRing(primary: old, others: [new])
        _ = try await rewrap(ring, .change(adding: [1], removing: []))
        #expect(try recipients("a.yaml") == [[old.keyID, new.keyID]])
        #expect(try await opens("a.yaml", with: old))
        #expect(try await opens("a.yaml", with: new))
        #expect(changedLines(before, try folder.read("a.yaml")).count == 2)
        _ = try await rewrap(ring, .change(adding: [1], removing: [KeySelector(old.keyID)]))
        #expect(try recipients("a.yaml") == [[new.keyID]])
        #expect(try await opens("a.yaml", with: new))
    }

    @Test func replacesConfiguredKeysAndKeepsOthers() async throws {
        let third = try Self.key(3)
        let foreign = try Self.key(9)
        _ = try await write("a.yaml", ["one"], by: [old, foreign, new])
        let results = try await rewrap(KeyRing(primary: old, others: [new, third]), .move(to: 2))
        #expect(try recipients("a.yaml") == [[third.keyID, foreign.keyID]])
        #expect(results.map(\.unconfiguredKeyIDs) == [[foreign.keyID]])
        #expect(try await opens("a.yaml", with: third))
    }

    /// The WrappedSecret lists a key that does not unwrap the data key.
    @Test func keepsAKeyIfNoOtherUnwrapsTheDataKey() async throws {
        var text = try await write("a.yaml", ["one"], by: [old, new])
        let wrapped = try WrappedSecretFile(reading: folder.path("a.yaml"))
            .documents[0].object.spec.envelope.recipients[1].wrappedKey
        text = text.replacing(wrapped, with: (wrapped.first == "A" ? "B" : "A") + wrapped.dropFirst(1))
        try folder.write("a.yaml", text)
        let results = try await rewrap(
            KeyRing(primary: old, others: [new]), .change(adding: [], removing: [KeySelector(old.keyID)]))
        guard case .failed(let problem) = results.first?.outcome else {
            Issue.record("the key was removed")
            return
        }
        expectSafeMessage(problem)
        #expect(try folder.read("a.yaml") == text)
    }

    /// A previous key and an additional key are removed alike.
    @Test func removesPreviousKeysInOneRun() async throws {
        let third = try Self.key(3)
        _ = try await write("a.yaml", ["one"], by: [old, third])
        _ = try await write("b.yaml", ["two"], by: [old, new])
        let ring = KeyRing(primary: new, others: [old, third])
        let results = try await rewrap(ring, .refresh)
        #expect(results.allSatisfy { if case .changed = $0.outcome { true } else { false } })
        for file in ["a.yaml", "b.yaml"] {
            #expect(try recipients(file) == [[new.keyID]])
            #expect(try await opens(file, with: new))
        }
        #expect(try await rewrap(ring, .refresh).allSatisfy { $0.outcome == .current })
    }

    /// Only the old key unwraps the data key, so it stays and the outcome is a failure.
    @Test func keepsAPreviousKeyIfTheCurrentOneDoesNotUnwrap() async throws {
        var text = try await write("a.yaml", ["one"], by: [old, new])
        let wrapped = try WrappedSecretFile(reading: folder.path("a.yaml"))
            .documents[0].object.spec.envelope.recipients[1].wrappedKey
        text = text.replacing(wrapped, with: (wrapped.first == "A" ? "B" : "A") + wrapped.dropFirst(1))
        try folder.write("a.yaml", text)
        for strategy in [RewrapStrategy.refresh, .move(to: 0)] {
            let results = try await rewrap(KeyRing(primary: new, others: [old]), strategy)
            guard case .failed(let problem) = results.first?.outcome else {
                Issue.record("\(results)")
                return
            }
            expectSafeMessage(problem)
            #expect(try folder.read("a.yaml") == text)
        }
    }

    @Test func failsIfNoConfiguredKeyIsListed() async throws {
        let text = try await write("a.yaml", ["one"], by: [old])
        let results = try await rewrap(KeyRing(primary: new), .refresh, isDryRun: true)
        guard case .failed(let problem) = results.first?.outcome else {
            Issue.record("\(results)")
            return
        }
        expectSafeMessage(problem)
        #expect(problem.contains(old.keyID))
        #expect(results.map(\.unconfiguredKeyIDs) == [[old.keyID]])
        #expect(try folder.read("a.yaml") == text)
    }

    @Test func refusesToRemoveTheLastRecipient() async throws {
        let text = try await write("a.yaml", ["one"], by: [old])
        let results = try await rewrap(
            KeyRing(primary: old), .change(adding: [], removing: [KeySelector("local")]))
        #expect(
            results.contains {
                if case .failed(let problem) = $0.outcome {
                    problem.contains("no recipient would be left")
                } else {
                    false
                }
            })
        #expect(try folder.read("a.yaml") == text)
    }

    /// A user who can write the file must not get its data key wrapped for another key: an entry was removed, and the
    /// data key still unwraps.
    @Test func wrapsNothingIfTheMACDoesNotVerify() async throws {
        var text = try await write("a.yaml", ["one"], by: [old])
        let data = try #require(text.split(separator: "\n").first { $0.contains("  data: {password") })
        text = text.replacing(data, with: "  data: {}")
        try folder.write("a.yaml", text)
        let results = try await rewrap(
            KeyRing(primary: old, others: [new]), .change(adding: [1], removing: []))
        #expect(
            results.contains {
                if case .failed(let problem) = $0.outcome { problem.contains("MAC") } else { false }
            })
        #expect(try folder.read("a.yaml") == text)
    }

    @Test func writesNothingInADryRun() async throws {
        let text = try await write("a.yaml", ["one"], by: [old])
        let results = try await rewrap(KeyRing(primary: new, others: [old]), .refresh, isDryRun: true)
        #expect(results.contains { if case .changed = $0.outcome { true } else { false } })
        #expect(try folder.read("a.yaml") == text)
    }

    @Test func rewrapsTheOtherFilesIfOneIsUnreadable() async throws {
        _ = try await write("a.yaml", ["one"], by: [old])
        try folder.write("b.yaml", "kind: WrappedSecret\n\tbad")
        _ = try await write("c.yaml", ["three"], by: [old])
        let results = try await rewrap(KeyRing(primary: new, others: [old]), .refresh)
        #expect(results.count { if case .changed = $0.outcome { true } else { false } } == 2)
        #expect(
            results.count {
                if case .failed(let problem) = $0.outcome { problem.contains("b.yaml:2:") } else { false }
            }
                == 1)
        var counts = RewrapCounts()
        results.forEach { counts.add($0) }
        #expect(counts.total == 2)
        #expect(counts.failed == 0)
        #expect(counts.unreadableFiles == 1)
        #expect(try await opens("c.yaml", with: new))
    }

    @Test func keepsAFileThatCannotBeEdited() async throws {
        var text = try await write("a.yaml", ["one"], by: [old])
        text = text.replacing("keyID: '\(old.keyID)'", with: "keyID: &id '\(old.keyID)'")
        try folder.write("a.yaml", text)
        let results = try await rewrap(KeyRing(primary: new, others: [old]), .refresh)
        #expect(
            results.contains {
                if case .failed(let problem) = $0.outcome { problem.contains("anchor") } else { false }
            })
        #expect(try folder.read("a.yaml") == text)
        #expect(try folder.names == ["a.yaml"])
    }

    @Test func keepsFilesAndReportsAFailingKMS() async throws {
        let away = try FakeKeyManager(seed: 1)
        let text = try await write("a.yaml", ["one"], by: [old])
        away.fail(.unavailable)
        let results = try await rewrap(KeyRing(primary: new, others: [away]), .refresh)
        #expect(
            results.contains {
                if case .failed(let problem) = $0.outcome { problem.contains("scripted") } else { false }
            })
        #expect(try folder.read("a.yaml") == text)
    }

    @Test func readsOnlyManifestsInFolders() async throws {
        for name in ["a.yaml", "b.yml", "c.json", "d.txt", ".hidden.yaml"] {
            try folder.write(name, "x: 1")
        }
        try folder.link("link.yaml", to: "a.yaml")
        let files = ManifestPaths([folder.path, folder.path("a.yaml")]).files
        let expected = [".hidden.yaml", "a.yaml", "b.yml", "c.json"].map { folder.path($0) }
        #expect(files == expected)
    }
}
