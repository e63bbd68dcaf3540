import Cryptography
import Foundation
import TestSupport
import Testing

@testable import KMS

/// Generated files must be read as botocore reads them, except for intended differences: botocore makes a trailing comment
/// part of the value, and rejects a file for a repeated setting or for an invalid line of an unused profile.
@Suite(.enabled(if: AWSPython.isAvailable), .timeLimit(.minutes(5)))
struct AWSProfilesOracleTests {
    private struct Pair: Codable {
        let config: String
        let credentials: String
    }

    @Test func readsLikeBotocore() async throws {
        var random = SeededGenerator(4_711)
        let pairs = (0..<1000).map { _ in
            Pair(config: Self.file(&random, isConfig: true), credentials: Self.file(&random, isConfig: false))
        }
        let theirs = try await AWSPython.runOnThread(Self.script, input: JSONEncoder().encode(pairs)).split(
            separator: "\n"
        )
        .map { try AnyJSON(Array($0.utf8)) }
        try #require(theirs.count == pairs.count)
        var refused = 0
        var failures = 0
        for (pair, expected) in zip(pairs, theirs) {
            let ours = Self.read(pair)
            if expected == .null { refused += 1 }
            guard ours != expected else { continue }
            failures += 1
            if failures < 4 {
                Issue.record(
                    "\(pair.config)\n--\n\(pair.credentials)\n--\nours: \(ours)\ntheirs: \(expected)")
            }
        }
        #expect(failures == 0)
        // Both outcomes occur.
        #expect((50...900).contains(refused))
    }

    /// Null if the file was rejected.
    private static func read(_ pair: Pair) -> AnyJSON {
        func file(_ text: String) throws -> AWSConfigFile {
            try AWSConfigFile(path: "file", content: SecretBytes(copying: Array(text.utf8)))
        }
        guard let config = try? file(pair.config), let credentials = try? file(pair.credentials),
            let profiles = try? AWSProfiles(config: config, credentials: credentials),
            // In botocore, an invalid line affects all profiles.
            !(config.sections + credentials.sections).contains(where: { $0.parseError != nil })
        else { return .null }
        var object: [String: AnyJSON] = [:]
        for name in names {
            // So all profiles are read here.
            do {
                if let profile = try profiles.profile(name) { object["profile \(name)"] = json(profile) }
                if let session = try profiles.ssoSession(name) {
                    object["sso-session \(name)"] = json(session)
                }
            } catch {
                return .null
            }
            if let services = try? profiles.services(name) {
                let parts = services.mapValues { AnyJSON.object($0.mapValues { .string($0) }) }
                object["services \(name)"] = .object(parts)
            }
        }
        return .object(object)
    }

    private static func json(_ profile: AWSProfile) -> AnyJSON {
        var object = profile.settings.mapValues { AnyJSON.string($0) }
        object.merge(profile.secrets.mapValues { .string($0.text) }) { $1 }
        object.merge(profile.nested.mapValues { .object($0.mapValues { .string($0) }) }) { $1 }
        return .object(object)
    }

    private static let names = ["default", "a", "B", "two words", "a-b_c.d", "é"]

    private static func file(_ random: inout SeededGenerator, isConfig: Bool) -> String {
        func pick(_ choices: [String]) -> String { choices.randomElement(using: &random) ?? "" }
        func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
        let end = chance(10) ? "\r\n" : "\n"
        var lines: [String] = []
        var titles = Set<String>()
        var endsWithSecret = false
        if chance(1) { lines.append("key = value") }
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            let name = pick(names)
            var title = name
            if isConfig {
                let quoted = name.contains(" ") || chance(20) ? "\"\(name)\"" : name
                title = chance(20) ? name : "\(pick(["profile", "sso-session", "services"])) \(quoted)"
            }
            // Repeated sections are tested elsewhere.
            let plain = title.replacingOccurrences(of: "\"", with: "")
            guard titles.insert(plain == "profile default" ? "default" : plain).inserted else { continue }
            // A line below a secret is not indented: secrets have only one line here.
            let base = endsWithSecret ? "" : pick(["", "", "", "  ", "\t"])
            endsWithSecret = false
            lines.append(base + "[\(title)]" + pick(["", "", " ", " # c"]))
            let depth = base + pick(["", "", "", " ", "  ", "\t"])
            var keys = Set<String>()
            for _ in 0..<Int.random(in: 0...5, using: &random) {
                if chance(15) { lines.append(pick(["", "# x = y", "; c", "  # c", "\t"])) }
                if chance(1) { lines.append(depth + pick(["nonsense", "= x", "[open"])) }
                let key = pick([
                    "region", "Role_ARN", "source_profile", "x", "sso_region", "credential_process", "output",
                    "s3",
                    "kms",
                ])
                guard keys.insert(key.lowercased()).inserted else { continue }
                let equals = pick(["=", " = ", "\t=  ", "= ", ":", " : "])
                if chance(15) {
                    lines.append(depth + key + equals)
                    for inner in ["a", "b_c"] where chance(60) {
                        lines.append(
                            depth + "  \(inner)\(pick(["=", " = "]))\(pick(["1", "x y", "p=q", ""]))")
                        if chance(10) { lines.append("  # c") }
                    }
                    continue
                }
                let value = pick(["v", "a b", "a=b", "a#b", "a;b", "\"q\"", "x ", "é", "https://h:1/p?q=r"])
                lines.append(depth + key + equals + value)
                if chance(8) { lines.append(depth + "   more \(pick(["of it", "= it"]))") }
            }
            guard chance(30) else { continue }
            endsWithSecret = true
            lines.append(depth + "aws_access_key_id = AKID\(name.count)")
            lines.append(depth + "aws_secret_access_key = sec/ret+\(lines.count)=")
        }
        return lines.joined(separator: end) + (chance(80) ? end : "")
    }

    private static let script = """
        import json, os, sys, tempfile
        import botocore.session
        names = ["default", "a", "B", "two words", "a-b_c.d", "\\u00e9"]
        kept = tempfile.TemporaryDirectory()
        folder = kept.name
        os.environ["AWS_CONFIG_FILE"] = folder + "/config"
        os.environ["AWS_SHARED_CREDENTIALS_FILE"] = folder + "/credentials"
        for pair in json.load(sys.stdin):
            for name in pair:
                with open(folder + "/" + name, "w", newline="") as file:
                    file.write(pair[name])
            try:
                full = botocore.session.Session(include_builtin_handlers=False).full_config
                found = {}
                for kind, key in ("profile", "profiles"), ("sso-session", "sso_sessions"), ("services", "services"):
                    for name in names:
                        if name not in full.get(key, {}):
                            continue
                        values = full[key][name]
                        if kind == "services":
                            values = {k: v for k, v in values.items() if isinstance(v, dict)}
                        found[kind + " " + name] = values
                print(json.dumps(found))
            except Exception:
                print("null")
        """
}
