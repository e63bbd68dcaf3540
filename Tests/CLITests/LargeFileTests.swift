import Cryptography
import Envelope
import Foundation
import KMS
import Resources
import System
import TestSupport
import Testing
import YAML

@testable import CLI

/// Processes files with many WrappedSecrets in a time that is linear in their size.
struct LargeFileTests {
    private let key: LocalKeyManager
    private let other: LocalKeyManager
    private let folder: TemporaryFolder

    init() throws {
        key = try LocalKeyManager(master: SharedSecret(copying: [UInt8](repeating: 1, count: 32)))
        other = try LocalKeyManager(master: SharedSecret(copying: [UInt8](repeating: 2, count: 32)))
        folder = try TemporaryFolder()
    }

    private func list(_ count: Int, broken: String = "") async throws -> String {
        var text = "apiVersion: v1\nkind: List\nitems:\n"
        for index in 0..<count {
            let fields = try await Envelope.seal(
                [SecretEntry(name: "a", value: SharedSecret(copying: "1".utf8))],
                binding: try Binding(scope: .strict, namespace: "payments", secretName: "db-\(index)"),
                with: key
            ).fields
            text += """
                - apiVersion: secrets-bridge.io/v1alpha1
                  kind: WrappedSecret
                  metadata: {name: db-\(index), namespace: payments} # \(index)
                  spec:
                    format: v1
                    scope: strict
                    recipients: [{keyID: '\(fields.recipients[0].keyID)', wrappedKey: '\(fields.recipients[0].wrappedKey)'}]
                    mac: \(fields.mac)
                    data: {a: "\(fields.data["a"] ?? "")"}\(broken)

                """
        }
        return text
    }

    private func rewrap(_ file: String) async throws -> Duration {
        let path = folder.path(file)
        let failed = Locked<[String]>([])
        let start = ContinuousClock.now
        let keys = KeyRing(primary: other, others: [key])
        await FileRewrapper(keys: keys, strategy: .move(to: 0), namespace: nil, isDryRun: false).rewrap([path]
        ) {
            results in
            for case .failed(let problem) in results.map(\.outcome) { failed.withLock { $0.append(problem) } }
        }
        #expect(failed.withLock { $0 } == [])
        return ContinuousClock.now - start
    }

    @Test func rewrapsAllItemsOfAListAndChangesNothingElse() async throws {
        let before = try await list(300)
        try folder.write("a.yaml", before)
        _ = try await rewrap("a.yaml")
        let after = try folder.read("a.yaml")
        func rest(_ text: String) -> [Substring] {
            text.split(separator: "\n").filter { !$0.contains("recipients:") }
        }
        #expect(rest(after) == rest(before))
        let file = try WrappedSecretFile(reading: folder.path("a.yaml"))
        #expect(file.documents.count == 300)
        #expect(
            file.documents.allSatisfy { $0.object.spec.envelope.recipients.map(\.keyID) == [other.keyID] })
    }

    /// Four times the items once took sixteen times as long.
    @Test func rewrapsInLinearTime() async throws {
        let (small, large) = (try await list(250), try await list(1000))
        var times: [(Duration, Duration)] = []
        // Other tests run concurrently.
        for _ in 0..<4 {
            try folder.write("small.yaml", small)
            try folder.write("large.yaml", large)
            let time = (try await rewrap("small.yaml"), try await rewrap("large.yaml"))
            if time.1 < time.0 * 9 { return }
            times.append(time)
        }
        Issue.record("\(times) for 250 and 1000")
    }

    @Test func comparesManyDocumentsInLinearTime() async throws {
        let text = try await list(2000)
        let old = try WrappedSecretFile(path: "a", contents: SharedSecret(copying: text.utf8), stamp: nil)
        let changed = text.replacing("name: db-7,", with: "name: new,")
        let new = try WrappedSecretFile(path: "b", contents: SharedSecret(copying: changed.utf8), stamp: nil)
        let start = ContinuousClock.now
        let lines = await FileComparison(old, new, namespace: nil).lines(with: nil)
        #expect(lines == ["+ WrappedSecret payments/new", "- WrappedSecret payments/db-7"])
        #expect(ContinuousClock.now - start < .seconds(20))
    }

    /// 60,000 lines that all differ once took more than a minute.
    @Test(arguments: [("all", 1), ("every third", 3), ("few kinds", 0)])
    func comparesManyChangedLinesInBoundedTime(what: String, every: Int) {
        let count = 60_000
        func line(_ index: Int, _ mark: String) -> String {
            every == 0 ? "\((index &* 2_654_435_761) % 5)\(index % 7 == 0 ? mark : "")\n" : "line \(index)\n"
        }
        let old = (0..<count).map { line($0, "o") }.joined()
        let new = (0..<count).map { every > 0 && $0 % every == 0 ? "new \($0)\n" : line($0, "n") }.joined()
        let start = ContinuousClock.now
        let lines = UnifiedDiff(from: SharedSecret(copying: old.utf8), to: SharedSecret(copying: new.utf8))
            .lines
        #expect(ContinuousClock.now - start < .seconds(60))
        #expect(lines.count > count / 4)
        if every == 3 { #expect(lines.count { $0.hasPrefix("+new") } == count / 3) }
    }

    /// Every command that reads manifests has the same limit.
    @Test func refusesAFileAboveTheLimit() throws {
        let path = folder.path("large.yaml")
        try folder.write("large.yaml", "")
        let file = try FileHandle(forWritingTo: URL(filePath: path))
        try file.truncate(atOffset: UInt64(YAMLReader.maximumBytes) + 1)
        try file.close()
        do throws(InputError) {
            _ = try WrappedSecretFile(reading: path)
            Issue.record("the file was read")
        } catch {
            #expect(error.description == "cannot read \(path): is larger than 32 MiB; split it")
        }
    }
}
