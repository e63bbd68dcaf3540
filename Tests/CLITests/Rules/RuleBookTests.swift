import Foundation
import TestSupport
import Testing

@testable import CLI

/// Finds the rules file for a manifest.
struct RuleBookTests {
    private let temporary: TemporaryFolder
    /// The folder without symbolic links.
    private let root: String

    init() throws {
        temporary = try TemporaryFolder()
        root = try #require(AbsolutePath(existing: temporary.path)).path
    }

    private func writeRules(_ folder: String, _ pattern: String, namespace: String) throws {
        try temporary.write(
            "\(folder)/.secrets-bridge.yaml",
            "version: 1\nrules:\n- path: '\(pattern)'\n  namespace: \(namespace)\n")
    }

    private func namespace(_ path: String, home: String? = nil) throws -> String? {
        try RuleBook(.nearest(home: home)).rule(for: "\(root)/\(path)")?.namespace
    }

    @Test func findsTheNearestRulesFile() throws {
        try writeRules("repo", "**", namespace: "outer")
        try writeRules("repo/teams/shop", "secrets/*", namespace: "inner")
        #expect(try namespace("repo/a.yaml") == "outer")
        #expect(try namespace("repo/teams/a.yaml") == "outer")
        #expect(try namespace("repo/teams/shop/secrets/a.yaml") == "inner")
        // The nearest file alone is read.
        #expect(try namespace("repo/teams/shop/a.yaml") == nil)
        let lookup = try RuleBook(.nearest(home: nil)).lookup("\(root)/repo/teams/shop/a.yaml")
        guard case .noRule(let source) = lookup else {
            Issue.record("\(lookup)")
            return
        }
        #expect(source == "\(root)/repo/teams/shop/.secrets-bridge.yaml")
    }

    @Test func stopsAtTheRootOfARepository() throws {
        try writeRules("", "**", namespace: "outside")
        try temporary.write("repo/.git/HEAD", "")
        #expect(try namespace("a.yaml") == "outside")
        #expect(try namespace("repo/a/b.yaml") == nil)
        // A worktree has a file of that name.
        try temporary.write("worktree/.git", "gitdir: x")
        #expect(try namespace("worktree/a/b.yaml") == nil)
        try writeRules("repo", "a/**", namespace: "root")
        #expect(try namespace("repo/a/b.yaml") == "root")
    }

    @Test func stopsAtTheHome() throws {
        try writeRules("", "**", namespace: "outside")
        try temporary.write("home/x", "")
        #expect(try namespace("home/a/b.yaml") == "outside")
        #expect(try namespace("home/a/b.yaml", home: "\(root)/home") == nil)
        try writeRules("home", "a/**", namespace: "own")
        #expect(try namespace("home/a/b.yaml", home: "\(root)/home") == "own")
    }

    @Test func holdsForThePathWithoutSymbolicLinks() throws {
        try writeRules("", "staging/**", namespace: "staging")
        try temporary.write("staging/db.yaml", "")
        try temporary.link("production", to: "staging")
        try temporary.link("link.yaml", to: "staging/db.yaml")
        #expect(try namespace("production/db.yaml") == "staging")
        #expect(try namespace("production/new.yaml") == "staging")
        #expect(try namespace("link.yaml") == "staging")
        #expect(try namespace("x/../staging/new.yaml") == nil)
        try temporary.write("x/y", "")
        #expect(try namespace("x/../staging/new.yaml") == "staging")
    }

    @Test func holdsForFilesInFoldersThatDoNotExistYet() throws {
        try writeRules("", "out/**", namespace: "new")
        #expect(try namespace("out/payments/db.yaml") == "new")
        #expect(try namespace("out//payments///db.yaml") == "new")
    }

    @Test func hasNoRuleForStreams() throws {
        try writeRules("", "**", namespace: "x")
        let book = RuleBook(.file("\(root)/.secrets-bridge.yaml"))
        for path in [nil, "-", "/dev/stdin", "/dev/fd/63", "/dev/null"] {
            #expect(try book.rule(for: path)?.namespace == nil)
        }
    }

    @Test func readsTheNamedFileAlone() throws {
        try writeRules("repo", "**", namespace: "found")
        try temporary.write("repo/other.yaml", "version: 1\nrules: [{path: a.yaml, namespace: named}]\n")
        let book = RuleBook(.file("\(root)/repo/other.yaml"))
        #expect(try book.rule(for: "\(root)/repo/a.yaml")?.namespace == "named")
        #expect(try book.rule(for: "\(root)/repo/b.yaml") == nil)
        #expect(try RuleBook(.none).rule(for: "\(root)/repo/a.yaml") == nil)
        let outside = errorMessage { () throws(InputError) in try book.rule(for: "\(root)/a.yaml") }
        #expect(outside?.contains("is outside the folder of \(root)/repo/other.yaml") == true)
        let missing = errorMessage { () throws(InputError) in
            try RuleBook(.file("\(root)/nowhere")).rule(for: "\(root)/a.yaml")
        }
        #expect(missing == "cannot read \(root)/nowhere: No such file or directory")
    }

    @Test func refusesALinkAndAFolderInPlaceOfTheFile() throws {
        try temporary.write("elsewhere.yaml", "version: 1\nrules: []\n")
        try temporary.link("link/.secrets-bridge.yaml", to: "../elsewhere.yaml")
        try temporary.write("folder/.secrets-bridge.yaml/x", "")
        let book = RuleBook(.nearest(home: nil))
        let link = errorMessage { () throws(InputError) in try book.rule(for: "\(root)/link/a.yaml") }
        #expect(link?.contains("is a symbolic link, and the rules are not read") == true)
        let folder = errorMessage { () throws(InputError) in try book.rule(for: "\(root)/folder/a.yaml") }
        #expect(folder?.contains("is not a file, and the rules are not read") == true)
        #expect(book.hasRulesFile(for: "\(root)/link/a.yaml"))
    }

    /// As in /tmp, where another user could choose the recipients.
    @Test(.enabled(if: geteuid() == 0, "changing the owner needs root"))
    func refusesAnotherUsersFileInASharedFolder() throws {
        try writeRules("shared", "**", namespace: "x")
        chown(temporary.path("shared/.secrets-bridge.yaml"), 12345, 12345)
        #expect(try namespace("shared/a.yaml") == "x")
        chmod(temporary.path("shared"), 0o1777)
        let message = errorMessage { () throws(InputError) in
            try RuleBook(.nearest(home: nil)).rule(for: "\(root)/shared/a.yaml")
        }
        #expect(message?.contains("belongs to another user, in a folder that all users may write to") == true)
        let named = RuleBook(.file("\(root)/shared/.secrets-bridge.yaml"))
        #expect(try named.rule(for: "\(root)/shared/a.yaml")?.namespace == "x")
    }

    @Test func refusesAFileAboveTheLimit() throws {
        let comment = "#" + String(repeating: "x", count: RulesFile.maximumBytes)
        try temporary.write(".secrets-bridge.yaml", "version: 1\nrules: []\n\(comment)\n")
        let message = errorMessage { () throws(InputError) in
            try RuleBook(.nearest(home: nil)).rule(for: "\(root)/a.yaml")
        }
        #expect(message == "cannot read \(root)/.secrets-bridge.yaml: is larger than 1 MiB")
    }
}
