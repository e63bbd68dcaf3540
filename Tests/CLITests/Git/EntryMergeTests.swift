import Envelope
import TestSupport
import Testing

@testable import CLI

/// The three-way merge of entries, and that of recipients.
struct EntryMergeTests {
    private typealias Entries = [String: Int]

    private func merge(_ base: Entries, _ ours: Entries, _ theirs: Entries) -> EntryMerge<Int> {
        EntryMerge(base: base, ours: ours, theirs: theirs, isEqual: ==)
    }

    private func randomEntries(_ generator: inout SeededGenerator) -> Entries {
        var entries: Entries = [:]
        for name in ["a", "b", "c", "d", "e", "f"] where Bool.random(using: &generator) {
            entries[name] = Int.random(in: 0..<3, using: &generator)
        }
        return entries
    }

    /// Adds, changes and removes some of the entries with these names.
    private func edit(
        _ base: Entries, _ names: [String], _ generator: inout SeededGenerator
    ) -> Entries {
        var entries = base
        for name in names {
            switch Int.random(in: 0..<3, using: &generator) {
            case 0: entries[name] = Int.random(in: 10..<20, using: &generator)
            case 1: entries[name] = nil
            default: break
            }
        }
        return entries
    }

    @Test func mergesEditsOfDisjointEntriesToBoth() {
        var generator = SeededGenerator(1)
        for _ in 0..<2000 {
            let base = randomEntries(&generator)
            let (left, right) = (["a", "c", "e", "x"], ["b", "d", "f", "y"])
            let ours = edit(base, left, &generator)
            let theirs = edit(base, right, &generator)
            let result = merge(base, ours, theirs)
            var expected: Entries = [:]
            for name in left { expected[name] = ours[name] }
            for name in right { expected[name] = theirs[name] }
            #expect(result.merged == expected)
            #expect(result.conflicts.isEmpty)
        }
    }

    @Test func mergesEqualEditsToThem() {
        var generator = SeededGenerator(2)
        for _ in 0..<500 {
            let (base, side) = (randomEntries(&generator), randomEntries(&generator))
            let result = merge(base, side, side)
            #expect(result.merged == side)
            #expect(result.conflicts.isEmpty)
        }
    }

    @Test func keepsTheOnlyEdit() {
        var generator = SeededGenerator(3)
        for _ in 0..<500 {
            let (base, side) = (randomEntries(&generator), randomEntries(&generator))
            #expect(merge(base, side, base).merged == side)
            #expect(merge(base, base, side).merged == side)
        }
    }

    @Test func isSymmetric() {
        var generator = SeededGenerator(4)
        for _ in 0..<2000 {
            let base = randomEntries(&generator)
            let (ours, theirs) = (randomEntries(&generator), randomEntries(&generator))
            let (one, other) = (merge(base, ours, theirs), merge(base, theirs, ours))
            #expect(one.merged == other.merged)
            #expect(one.conflicts.map(\.entry) == other.conflicts.map(\.entry))
        }
    }

    @Test func losesNoEditSilently() {
        var generator = SeededGenerator(5)
        for _ in 0..<2000 {
            let base = randomEntries(&generator)
            let (ours, theirs) = (randomEntries(&generator), randomEntries(&generator))
            let result = merge(base, ours, theirs)
            for name in Set(base.keys).union(ours.keys).union(theirs.keys)
            where !result.conflicts.contains(where: { $0.entry == name }) {
                if ours[name] != base[name] { #expect(result.merged[name] == ours[name]) }
                if theirs[name] != base[name] { #expect(result.merged[name] == theirs[name]) }
            }
        }
    }

    @Test func namesConflictsByEntry() {
        let result = merge(
            ["changed": 1, "gone": 1, "lost": 1], ["changed": 2, "lost": 2, "new": 2],
            ["changed": 3, "gone": 3, "new": 3])
        #expect(
            result.conflicts.map(\.description) == [
                "entry changed was changed on both sides",
                "entry gone was removed on our side and changed on theirs",
                "entry lost was changed on our side and removed on theirs",
                "entry new was added on both sides with different values",
            ])
        #expect(result.merged.isEmpty)
    }
}

struct RecipientMergeTests {
    private func recipients(_ keys: String...) -> [Recipient] {
        keys.map { key in
            let parts = key.split(separator: "@")
            return Recipient(keyID: "vault-transit:\(parts[0])", wrappedKey: "vault:v\(parts[1]):x")
        }
    }

    private func ids(_ items: [RecipientMerge.Item]) -> [String] {
        items.map { item in
            switch item {
            case .existing(let recipient): "\(recipient.keyID) \(recipient.wrappedKey)"
            case .wrap(let keyID): "wrap \(keyID)"
            }
        }
    }

    @Test func addsTheRecipientsOfBothSides() {
        let base = recipients("a@1")
        let items = RecipientMerge.items(
            base: base, ours: recipients("a@1", "b@1"), theirs: recipients("a@1", "c@1"), dataKey: .shared)
        #expect(
            ids(items) == [
                "vault-transit:a vault:v1:x", "vault-transit:b vault:v1:x", "vault-transit:c vault:v1:x",
            ])
    }

    @Test func keepsARemovedRecipientRemoved() {
        let base = recipients("a@1", "b@1")
        let removed = recipients("a@1")
        for (ours, theirs) in [(removed, base), (base, removed)] {
            let items = RecipientMerge.items(base: base, ours: ours, theirs: theirs, dataKey: .shared)
            #expect(ids(items) == ["vault-transit:a vault:v1:x"])
        }
    }

    @Test func takesTheNewerVersionOfTheKey() {
        let items = RecipientMerge.items(
            base: recipients("a@1"), ours: recipients("a@2"), theirs: recipients("a@10"), dataKey: .shared)
        #expect(ids(items) == ["vault-transit:a vault:v10:x"])
    }

    @Test func wrapsTheDataKeyOfTheOtherSideForAnAddedRecipient() {
        let items = RecipientMerge.items(
            base: recipients("a@1"), ours: recipients("a@1", "b@1"), theirs: recipients("a@1"),
            dataKey: .theirs)
        #expect(ids(items) == ["vault-transit:a vault:v1:x", "wrap vault-transit:b"])
    }

    @Test func wrapsANewDataKeyForAllRecipients() {
        let items = RecipientMerge.items(
            base: [], ours: recipients("a@1"), theirs: recipients("b@1"), dataKey: .new)
        #expect(ids(items) == ["wrap vault-transit:a", "wrap vault-transit:b"])
    }
}
