import Foundation
import TestSupport
import Testing

/// The targets of hack/fuzz without libFuzzer: the seeds, what fuzzing has found, and a few changes of the seeds.
@Suite struct ReplayTests {
    private static let findings = Seeds.tests.appending(path: "Fuzz/Findings")

    private static let names = FuzzTarget.all.map(\.name)

    private func target(_ name: String) throws -> FuzzTarget {
        try #require(FuzzTarget.all.first { $0.name == name })
    }

    private func check(_ input: [UInt8], _ target: FuzzTarget, _ origin: String) async {
        do {
            try await target.run(input)
        } catch {
            Issue.record("\(target.name), \(origin): \(error)")
        }
    }

    @Test(arguments: names) func holdsForTheSeeds(name: String) async throws {
        let target = try target(name)
        let seeds = target.seeds()
        #expect(!seeds.isEmpty)
        for (index, seed) in seeds.enumerated() { await check(seed, target, "seed \(index)") }
        await check([], target, "no bytes")
    }

    /// Each file is an input that once broke a property.
    @Test(arguments: names) func holdsForTheFindings(name: String) async throws {
        let target = try target(name)
        let folder = Self.findings.appending(path: name)
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        for file in files.sorted() {
            await check(Array(try Data(contentsOf: folder.appending(path: file))), target, file)
        }
    }

    @Test(arguments: names) func holdsForDamagedSeeds(name: String) async throws {
        let target = try target(name)
        var random = SeededGenerator(1)
        for (index, seed) in target.seeds().enumerated().prefix(16) where seed.count <= 4096 {
            for round in 0..<8 {
                var input = seed
                damage(&input, &random)
                await check(input, target, "seed \(index), damaged \(round)")
            }
        }
    }

    /// A folder of another name would never be replayed.
    @Test func everyFolderOfFindingsIsOfATarget() throws {
        let folders = try FileManager.default.contentsOfDirectory(atPath: Self.findings.path)
        #expect(Set(folders.filter { !$0.hasPrefix(".") }).isSubset(of: Self.names))
    }

    @Test func everyTargetHasItsOwnName() {
        #expect(Set(Self.names).count == Self.names.count)
    }
}
