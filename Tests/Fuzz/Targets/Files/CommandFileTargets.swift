import Cryptography
import Envelope
import Foundation
import TestSupport

@testable import CLI

extension FuzzTarget {
    static let commandFileTargets = [
        FuzzTarget(
            "env-file", maximumLength: 1024,
            seeds: Seeds.joined(
                Seeds.texts("# c\nA=b\nexport B='x y'\nC\nD=\"q\" # z \n", "\u{FEFF}A=\r\n"),
                Seeds.vectors("sops/plain.env")),
            check: checkEnvFile),
        FuzzTarget("rules-file", maximumLength: 2048, seeds: Seeds.vectors("rules"), check: checkRules),
        FuzzTarget(
            "recipient-file", maximumLength: 4096,
            seeds: {
                let pem = Seeds.vectors("rsa/rsa-3072.pub.pem")().first ?? []
                let key = try? RecipientKey(
                    keyID: "vault-transit:transit/sb", keyVersion: "3", publicKey: RSAPublicKey(pem: pem.text)
                )
                return key.map { [Array(RecipientFile.text(of: $0).utf8)] } ?? []
            }, check: checkRecipientFile),
        FuzzTarget(
            "git-attributes", maximumLength: 512,
            seeds: Seeds.texts("*.yaml\n*.yaml diff=x\n# c\n", "\"a b\" -text\n[attr]x y"),
            check: checkAttributes),
        FuzzTarget(
            "duration", maximumLength: 64,
            seeds: Seeds.texts("15s", "500ms", "1000000h", "9223372036854775808m", "1\u{301}"),
            check: checkDuration),
        FuzzTarget(
            "registry-credential", maximumLength: 512,
            seeds: Seeds.texts("https://r\nu\np\ne@x", "\nu\u{2028}<>&\np"),
            check: checkRegistryCredential),
    ]
}

@Sendable private func checkEnvFile(_ input: [UInt8]) throws {
    switch outcome({ () throws(InputError) in try EnvFile.lines(input.secret, source: "e") }) {
    case .success(let lines):
        for line in lines {
            try require(
                !line.key.isEmpty && line.key.utf8.allSatisfy { $0 < 0x80 },
                "key \(line.key.debugDescription)")
            try require(line.value.map { !revealed($0.bytes).contains(0x0A) } ?? true, "a value of two lines")
            for note in line.notes { try requireMessage(note) }
        }
    case .failure(let error): try requireMessage(error.description)
    }
    var arguments = SecretArguments()
    if case .failure(let error) = outcome({ () throws(InputError) in try arguments.addLiteral(input.text) }) {
        try requireMessage(error.description)
    }
    if case .failure(let error) = outcome({ () throws(InputError) in try SecretArguments.template(input.text)
    }) {
        try requireMessage(error.description)
    }
}

/// A rules file is read or refused in one line; for each path at most one rule applies, and it matches.
@Sendable private func checkRules(_ input: [UInt8]) throws {
    let folder = Seeds.tests.appending(path: "Vectors/rules/valid").path
    let result = outcome { () throws(InputError) in
        try RulesFile.rules(
            in: SecretBytes(copying: input), source: "r.yaml",
            recipientFiles: RecipientFiles(folder: folder, root: folder))
    }
    switch result {
    case .success(let rules):
        for path in ["production/db.yaml", "a", "teams/x/secrets/db-12.yaml", "staging/é/b.yaml"] {
            let found = outcome { () throws(InputError) in try rules.rule(forPath: path, named: path) }
            switch found {
            case .success(let rule):
                try require(rule?.pattern.matches(path) ?? true, "\(path) does not match")
            case .failure(let error): try requireMessage(error.description)
            }
        }
    case .failure(let error): try requireMessage(error.description)
    }
}

/// A recipient file is read as the key that it is written for, or refused in one line.
@Sendable private func checkRecipientFile(_ input: [UInt8]) throws {
    let read = outcome { () throws(InputError) in
        try RecipientFile.parse(SecretBytes(copying: input), source: "key.yaml")
    }
    switch read {
    case .success(let key):
        let text = SecretBytes(copying: Array(RecipientFile.text(of: key).utf8))
        let again = try RecipientFile.parse(text, source: "again")
        try require(again.isSame(as: key), "another key")
        for line in RecipientFile.lines(of: key, "key.yaml") { try requireMessage(line) }
    case .failure(let error): try requireMessage(error.description)
    }
}

/// Adding a pattern twice is adding it once, and removing restores the other lines.
@Sendable private func checkAttributes(_ input: [UInt8]) throws {
    let parts = InputChoices(input).lines(2)
    guard (try? GitAttributes.check(pattern: parts[0])) != nil else { return }
    var attributes = GitAttributes(parts.count > 1 ? parts[1] : "")
    _ = attributes.add(pattern: parts[0])
    let once = attributes
    try require(!attributes.add(pattern: parts[0]), "added twice: \(once.text.debugDescription)")
    try require(attributes == once, "another text at the second time")
    _ = attributes.removeAll()
    let removed = attributes
    try require(!attributes.removeAll(), "removed twice: \(removed.text.debugDescription)")
}

/// The configuration of a registry is JSON with the credentials, whatever characters they have.
@Sendable private func checkRegistryCredential(_ input: [UInt8]) throws {
    let parts = InputChoices(input).lines(4)
    guard parts.count == 4 else { return }
    let made = outcome { () throws(InputError) in
        try RegistryCredential(
            server: parts[0], username: parts[1], email: parts[3],
            password: SharedSecret(copying: parts[2].utf8))
    }
    switch made {
    case .success(let credential):
        let written = revealed(credential.configuration.bytes)
        guard case .object(let members)? = ReferenceJSON.value(written),
            members.first?.key == Array("auths".utf8)
        else {
            throw PropertyViolation(description: "not JSON: \(written.text.debugDescription)")
        }
        for note in credential.notes { try requireMessage(note) }
    case .failure(let error): try requireMessage(error.description)
    }
}

/// A duration is not negative and has at most a million hours; it is that of its digits and its unit.
@Sendable private func checkDuration(_ input: [UInt8]) throws {
    switch outcome({ () throws(DurationText.Problem) in try DurationText.parse(input.text) }) {
    case .success(let duration):
        try require(.zero...Duration.seconds(3_600_000_000) ~= duration, "\(duration)")
        let number = Int64(input.text.prefix { "0123456789".contains($0) })
        let units: [String: Duration] = [
            "": .seconds(1), "s": .seconds(1), "ms": .milliseconds(1), "m": .seconds(60), "h": .seconds(3600),
        ]
        let unit = units[String(input.text.drop { "0123456789".contains($0) })]
        try require(
            number.flatMap { number in unit.map { $0 * number } } == duration, "\(input.text): \(duration)")
    case .failure(let problem): try requireMessage(problem.description)
    }
}
