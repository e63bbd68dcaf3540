import Cryptography
package import Envelope

/// Tries a key, permission by permission, on data keys of its own, for a Secret of the namespace that its user works in:
/// policies may allow a key for one namespace alone.
package struct KeyDiagnostics: Sendable {
    /// One thing that was tried.
    package struct Finding: Sendable, Equatable {
        package enum Verdict: Sendable, Equatable {
            case passed
            /// Denied, or not there; with what to do.
            case failed(String)
            /// It could not be tried; why.
            case skipped(String)
        }

        package let subject: String
        package let verdict: Verdict
        /// Whether nothing works without it.
        package let isRequired: Bool

        package init(_ what: String, _ verdict: Verdict, isRequired: Bool = false) {
            self.subject = what
            self.verdict = verdict
            self.isRequired = isRequired
        }
    }

    private let key: any KeyManager
    private let namespace: String

    /// The Secret that data keys are made for. There need not be one.
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
            return [Finding("make a data key", .failed("\(error)"))]
        }
        var sample: Recipient?
        var findings: [Finding] = []
        do throws(KeyManagerError) {
            sample = try await key.generateDataKey(for: binding).recipient
            findings.append(Finding("make a data key (wrap)", .passed))
        } catch {
            findings.append(Finding("make a data key (wrap)", .failed(error.message)))
            // A KMS that is away allows nothing, whatever its policies say.
            if error.code == .unavailable { return findings }
        }
        findings.append(
            Finding(
                "wrap an existing one (rewrap --add-recipient)",
                await verdict { () throws(KeyManagerError) in
                    sample = try await key.wrap(random, for: binding)
                }))
        guard let sample else { return findings + (await withoutSample()) }
        findings.append(
            Finding(
                "unwrap (controller, unwrap, edit, verify)",
                await verdict { () throws(KeyManagerError) in _ = try await key.unwrap(sample, for: binding) }
            ))
        findings.append(
            Finding(
                "re-wrap (rewrap)",
                await verdict { () throws(KeyManagerError) in _ = try await key.rewrap(sample, for: binding) }
            ))
        return findings
    }

    /// Who may wrap nothing has nothing to unwrap; what does not open tells at least whether it may be tried.
    private func withoutSample() async -> [Finding] {
        let unwrap: Finding.Verdict =
            switch await key.selfTest() {
            case .unwrapsOnly(let limit): .skipped("allowed, as far as can be told: \(limit)")
            case .passed: .passed
            case .wrapsOnly(let error), .failed(let error): .failed(error.message)
            }
        return [
            Finding("unwrap (controller, unwrap, edit, verify)", unwrap),
            Finding("re-wrap (rewrap)", .skipped("there is nothing to try it on")),
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

extension [KeyDiagnostics.Finding] {
    /// Whether the key may do anything. That it may not be re-wrapped says nothing, where there was nothing to try it
    /// on.
    package var isUsable: Bool {
        contains { $0.verdict == .passed }
            || prefix(3).contains { if case .skipped = $0.verdict { true } else { false } }
    }
}

extension [KeyDiagnostics.Finding] {
    package var allRequiredPass: Bool {
        allSatisfy { finding in
            guard finding.isRequired, case .failed = finding.verdict else { return true }
            return false
        }
    }

    /// For people, a line each.
    ///
    /// - Parameter told: failures that were shown before; one that comes again is not repeated.
    package func lines(told: inout Set<String>) -> [StyledText] {
        map { finding in
            guard case .failed(let why) = finding.verdict, !told.insert(why).inserted else {
                return finding.line
            }
            return KeyDiagnostics.Finding(finding.subject, .failed("as above")).line
        }
    }
}

extension KeyDiagnostics.Finding {
    /// For people; what works is told as shortly as it can be.
    package var line: StyledText {
        switch verdict {
        case .passed: StyledText("  yes", .green) + StyledText("  \(subject)")
        case .failed(let why): StyledText("  NO", .red) + StyledText("   \(subject): \(why)")
        case .skipped(let why): StyledText("  ?", .yellow) + StyledText("    \(subject): \(why)")
        }
    }
}
