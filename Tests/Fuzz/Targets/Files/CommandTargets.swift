import Cryptography
import Envelope
import JSON
import KMS
import KubeClient
import TestSupport

@testable import CLI

/// What commands do with several texts at once. A zero byte separates the texts of an input.
extension FuzzTarget {
    static let commandTargets = [
        FuzzTarget(
            "git-merge",
            seeds: Seeds.texts(
                "\(ObjectSeeds.object)\0\(ObjectSeeds.object)\0\(ObjectSeeds.object)\n",
                "a: b\n\0a: b\n\0a: c\n"),
            awaiting: checkGitMerge),
        FuzzTarget(
            "applied-configuration",
            seeds: Seeds.texts(
                #"{"a":1,"l":[{"k":"x","v":2},"b"]}"# + "\0"
                    + #"{"f:a":{},"f:l":{"k:{\"k\":\"x\"}":{"f:v":{}},"v:\"b\"":{}}}"#),
            check: checkAppliedConfiguration),
        FuzzTarget(
            "wrapped-template", seeds: Seeds.texts("a password\0{{ .a }} and a password"),
            check: checkWrappedTemplate),
    ]
}

/// A merge without a conflict has the WrappedSecrets of one side if the other changed nothing.
@Sendable private func checkGitMerge(_ input: [UInt8]) async throws {
    let texts = parts(input, 3)
    guard texts.count == 3 else { return }
    var merge = FileMerge(
        path: "f.yaml", namespace: nil, markerSize: 7,
        keys: { () throws(InputError) in throw InputError("there is no key") },
        mergeLines: { base, ours, theirs in
            let isOurs = !ours.bytes.equals(base.bytes)
            let isConflict = isOurs && !theirs.bytes.equals(base.bytes)
            return FileMerge.MergedLines(text: isOurs ? ours : theirs, conflictCount: isConflict ? 1 : 0)
        })
    let output: FileMerge.Output
    do throws(InputError) {
        output = try await merge.merge(base: texts[0].secret, ours: texts[1].secret, theirs: texts[2].secret)
    } catch {
        return try requireMessage(error.description)
    }
    for line in output.conflicts + output.notes { try requireMessage(line) }
    if output.conflicts.isEmpty, texts[0] == texts[1] {
        try require(revealed(output.text.bytes) == texts[2], "another text than the one of the other side")
    }
}

/// The applied configuration is JSON, or a field is missing.
@Sendable private func checkAppliedConfiguration(_ input: [UInt8]) throws {
    let texts = parts(input, 2)
    guard texts.count == 2, let fields = try? JSONReader.read(FieldSet.self, from: texts[1]) else { return }
    var json = JSONSecretWriter()
    json.beginObject()
    do throws(AppliedConfiguration.ExtractionError) {
        try AppliedConfiguration(replacements: [:]).write(fields, of: texts[0], to: &json)
    } catch {
        return
    }
    json.endObject()
    let written = revealed(json.finish())
    try require(ReferenceJSON.value(written) != nil, "not JSON: \(written.text.debugDescription)")
}

private let master = SharedSecret(copying: [UInt8](repeating: 1, count: 32))

/// A template is wrapped or refused in one line.
@Sendable private func checkWrappedTemplate(_ input: [UInt8]) throws {
    let texts = parts(input, 2)
    guard texts.count == 2 else { return }
    var secret = SecretInput(name: "db", namespace: "payments", source: "s.yaml")
    secret.entries = [SecretEntry(name: "a", value: texts[0].secret)]
    secret.templates = ["t": texts[1].text]
    let wrapper = SecretWrapper(
        keys: KeyRing(primary: try LocalKeyManager(master: master)), scope: .strict, namespace: nil)
    switch outcome({ () throws(InputError) in try wrapper.prepare(secret) }) {
    case .success: break
    case .failure(let error): try requireMessage(error.description)
    }
}

private func parts(_ input: [UInt8], _ count: Int) -> [[UInt8]] {
    input.split(separator: 0, maxSplits: count - 1, omittingEmptySubsequences: false).map { Array($0) }
}
