import Cryptography
import Envelope
import Testing

@testable import CLI

/// Selects the entries that become variables of a program.
struct EnvironmentEntriesTests {
    private func variables(
        _ entries: [String: String], only: [String] = [], all: Bool = false
    ) throws -> [String] {
        let choice = try #require(EnvironmentEntries.EntrySelection(only: only, all: all))
        let entries = entries.sorted { $0.key < $1.key }.map {
            SecretEntry(name: $0.key, value: SharedSecret(copying: $0.value.utf8))
        }
        return try EnvironmentEntries.variables(entries, choice, source: "f").compactMap { text($0) }
    }

    private func message(_ entries: [String: String], only: [String] = [], all: Bool = false) -> String? {
        do {
            _ = try variables(entries, only: only, all: all)
            return nil
        } catch {
            return "\(error)"
        }
    }

    @Test func passesOnlySelectedEntries() throws {
        #expect(EnvironmentEntries.EntrySelection(only: [], all: false) == nil)
        #expect(EnvironmentEntries.EntrySelection(only: [","], all: false) == nil)
        #expect(try variables(["A": "1", "B": "2", "C": "3"], only: ["A,C"]) == ["A=1\0", "C=3\0"])
        #expect(try variables(["A": "1", "B": "2"], only: ["A", "B"]) == ["A=1\0", "B=2\0"])
        #expect(try variables(["A": "1", "B": "2"], all: true) == ["A=1\0", "B=2\0"])
    }

    @Test(arguments: [
        "PATH", "LD_PRELOAD", "BASH_ENV", "GIT_SSH_COMMAND", "PYTHONSTARTUP", "NODE_OPTIONS", "MAKEFLAGS",
        "KUBECONFIG", "GOFLAGS", "npm_config_script_shell", "NPM_CONFIG_SCRIPT_SHELL", "HTTPS_PROXY",
        "https_proxy",
    ])
    func refusesADangerousVariableUnlessItIsSelectedByName(name: String) throws {
        let refused = message([name: canary, "A": "1"], all: true)
        #expect(refused?.contains("--only \(name)") == true)
        expectSafeMessage(refused)
        #expect(try variables([name: "x", "A": "1"], only: [name]) == ["\(name)=x\0"])
        #expect(try variables([name: "x", "A": "1"], only: [name], all: true).count == 2)
    }

    @Test(arguments: [(["a.b": canary], []), (["A": "\(canary)\0"], []), (["A": canary], ["B"])])
    func refusesAnEntryThatCannotBeAVariable(entries: [String: String], only: [String]) {
        let refused = message(entries, only: only, all: only.isEmpty)
        #expect(refused != nil)
        expectSafeMessage(refused)
    }

    @Test func showsTheCommandsIfNoEntryIsSelected() {
        let error = EnvironmentEntries.missingSelection(
            ["user", "password", "tls.key"], document: ["my db.yaml", "--name", "db"],
            program: ["my psql", "-p\(canary)", "select 'x'"])
        #expect(
            error.description.contains(
                "secrets-bridge exec 'my db.yaml' --name db --only password,user -- 'my psql' \u{2026}; or"
            ))
        #expect(error.description.contains("it has password, tls.key, user"))
        // An argument of the program may be a value.
        expectSafeMessage(error.description)
        #expect(!error.description.contains("'x'"))
        let alone = EnvironmentEntries.missingSelection(["user"], document: ["a"], program: ["psql"])
        #expect(alone.description.hasSuffix("--all -- psql"))
    }

    @Test func doesNotQuoteAValueInPlaceOfAName() {
        let refused = message(["A": "1"], only: ["A=\(canary)"])
        #expect(refused?.contains("an argument of --only is not the name of an entry; it has A") == true)
        expectSafeMessage(refused)
        #expect(message(["A": "1"], only: ["B"])?.contains("has no entry \"B\"") == true)
    }

    @Test func aMessageDoesNotNameThousandsOfEntries() throws {
        let names = (1000..<6000).map { "E\($0)" }
        let unselected = EnvironmentEntries.missingSelection(names, document: ["db.yaml"], program: ["psql"])
        #expect(unselected.description.contains("E1007 and 4992 more"))
        #expect(unselected.description.contains("--only E1000,E1001,E1002,E1003,E1004,E1005,E1006,E1007 --"))
        #expect(unselected.description.utf8.count < 1_000)
        let unknown = message(Dictionary(uniqueKeysWithValues: names.map { ($0, "1") }), only: ["other"])
        #expect(try #require(unknown).utf8.count < 1_000)
    }
}
