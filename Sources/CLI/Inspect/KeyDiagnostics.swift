import Cryptography
package import Envelope

/// The result of one check.
package struct Finding: Sendable, Equatable {
    package enum Verdict: Sendable, Equatable {
        case passed
        /// The check failed, with the problem and the remedy.
        case failed(String)
        /// The check could not be made, with the reason.
        case skipped(String)
    }

    package let subject: String
    package let verdict: Verdict
    /// True if nothing works without it.
    package let isRequired: Bool

    package init(_ subject: String, _ verdict: Verdict, isRequired: Bool = false) {
        self.subject = subject
        self.verdict = verdict
        self.isRequired = isRequired
    }
}

/// Checks the permissions of a key with data keys of its own, bound to a Secret of the user's namespace: a policy may
/// allow a key for one namespace only.
package struct KeyDiagnostics: Sendable {
    private let key: any KeyManager
    private let namespace: String

    /// The name of the Secret that the data keys are bound to. It need not exist.
    private static let secretName = "secrets-bridge-doctor"

    package init(_ key: any KeyManager, namespace: String) {
        self.key = key
        self.namespace = namespace
    }

    package func findings() async -> [Finding] {
        let binding: Binding
        let random: SharedSecret
        do {
            binding = try Binding(scope: .strict, namespace: namespace, secretName: Self.secretName)
            random = SharedSecret(try SecretBytes.random(count: EnvelopeValidation.dataKeyByteCount))
        } catch {
            return [Finding("generate a data key", .failed("\(error)"))]
        }
        var sample: Recipient?
        var findings: [Finding] = []
        do throws(KeyManagerError) {
            sample = try await key.generateDataKey(for: binding).recipient
            findings.append(Finding("generate a data key (wrap)", .passed))
        } catch {
            findings.append(Finding("generate a data key (wrap)", .failed(error.message)))
            // An unavailable KMS shows nothing about permissions.
            if error.code == .unavailable { return findings }
        }
        findings.append(
            Finding(
                "wrap a data key (rewrap --add-recipient)",
                await verdict { () throws(KeyManagerError) in
                    sample = try await key.wrap(random, for: binding)
                }))
        guard let sample else { return findings + (await withoutSample()) }
        findings.append(
            Finding(
                "unwrap a data key (controller, unwrap, edit, verify)",
                await verdict { () throws(KeyManagerError) in _ = try await key.unwrap(sample, for: binding) }
            ))
        findings.append(
            Finding(
                "rewrap a data key (rewrap)",
                await verdict { () throws(KeyManagerError) in _ = try await key.rewrap(sample, for: binding) }
            ))
        return findings
    }

    /// Without the permission to wrap there is no wrapped data key to test with. The self-test shows at least if
    /// unwrapping an invalid one is permitted.
    private func withoutSample() async -> [Finding] {
        let unwrap: Finding.Verdict =
            switch await key.diagnose() {
            case .unwrapsOnly(let limit): .skipped("probably permitted: \(limit)")
            case .passed: .passed
            case .wrapsOnly(let error), .failed(let error): .failed(error.message)
            }
        return [
            Finding("unwrap a data key (controller, unwrap, edit, verify)", unwrap),
            Finding("rewrap a data key (rewrap)", .skipped("there is no wrapped data key to test with")),
        ]
    }

    private func verdict(_ body: () async throws(KeyManagerError) -> Void) async -> Finding.Verdict {
        do {
            try await body()
            return .passed
        } catch {
            return .failed(error.message)
        }
    }
}

extension [Finding] {
    /// True if the key has any permission. A skipped rewrap does not count, as it only shows that nothing could be
    /// wrapped.
    package var isUsable: Bool {
        contains { $0.verdict == .passed }
            || prefix(3).contains { if case .skipped = $0.verdict { true } else { false } }
    }

    /// True if no required check failed.
    package var allRequiredPass: Bool {
        allSatisfy { finding in
            guard finding.isRequired, case .failed = finding.verdict else { return true }
            return false
        }
    }

    /// One line for each finding.
    ///
    /// - Parameter reported: The failures that were shown before. They are not repeated.
    package func lines(reported: inout Set<String>) -> [StyledText] {
        map { finding in
            guard case .failed(let problem) = finding.verdict, !reported.insert(problem).inserted else {
                return finding.line
            }
            return Finding(finding.subject, .failed("as above")).line
        }
    }
}

extension Finding {
    /// The finding as a line, which has no details for a check that passed.
    package var line: StyledText {
        switch verdict {
        case .passed: StyledText("  yes", .green) + StyledText("  \(subject)")
        case .failed(let problem): StyledText("  NO", .red) + StyledText("   \(subject): \(problem)")
        case .skipped(let reason): StyledText("  ?", .yellow) + StyledText("    \(subject): \(reason)")
        }
    }
}
