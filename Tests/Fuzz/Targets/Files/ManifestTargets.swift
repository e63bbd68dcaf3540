import Cryptography
import Envelope
import Foundation
import JSON
import KMS
import Resources
import TestSupport
import YAML

@testable import CLI

extension FuzzTarget {
    static let manifestTargets = [
        FuzzTarget("manifest", seeds: manifestSeeds, check: checkManifest),
        FuzzTarget(
            "manifest-edit", seeds: Seeds.prefixed(with: [0, 0, 0, 0], manifestSeeds),
            awaiting: checkManifestEdit),
        FuzzTarget(
            "secret-manifest",
            seeds: Seeds.joined(
                Seeds.texts(
                    "apiVersion: v1\nkind: Secret\nmetadata: {name: db, labels: {a: b}}\ntype: Opaque\nstringData:\n  p: x\ndata: {q: QUJD}\n",
                    "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"a\"}}]}"
                ), Seeds.vectors("sops/secrets.yaml", "sops/decrypted", upTo: 8192)),
            awaiting: checkSecretManifest),
    ]

    private static let manifestSeeds: @Sendable () -> [[UInt8]] = {
        let block = """
            # The team's.
            apiVersion: secrets-bridge.io/v1alpha1
            kind: WrappedSecret
            metadata: {name: db, namespace: payments} # here
            spec:
              format: v1
              scope: strict
              mac: "\(Base64.encode([UInt8](repeating: 1, count: 32)))" # the MAC
              recipients:
              - keyID: local:5fd519e0 # old
                wrappedKey: '\(String(repeating: "QUJD", count: 20))'
              - {keyID: "vault-transit:transit/k", wrappedKey: "vault:v1:QUJD"}
              data:
                password: \(Base64.encode([UInt8](repeating: 2, count: 40)))
                user: '\(Base64.encode([UInt8](repeating: 3, count: 31)))' # end
            ---
            kind: ConfigMap # other
            """
        return [
            Array(block.utf8), Array(ObjectSeeds.object.utf8),
            Array("apiVersion: v1\nkind: List\nitems:\n- \(ObjectSeeds.object)\n".utf8),
        ]
    }
}

/// Messages about a file have one line, and the file is inspected without error if it is valid.
@Sendable private func checkManifest(_ input: [UInt8]) throws {
    let plaintext = UnencryptedSecrets(in: input.secret, source: "f.yaml")
    for line in plaintext.problems.map(\.description) + plaintext.notes { try requireMessage(line) }
    let read = outcome { () throws(InputError) in
        try WrappedSecretFile(path: "f.yaml", contents: input.secret, stamp: nil)
    }
    let file: WrappedSecretFile
    switch read {
    case .success(let found): file = found
    case .failure(let error): return try requireMessage(error.description)
    }
    for document in file.documents {
        let inspection = outcome { () throws(InputError) in try Inspection(document, namespace: "payments") }
        switch inspection {
        case .success(let inspection):
            for line in inspection.lines { try requireMessage(line) }
            let written = revealed(JSONWriter.write([inspection.value]))
            try require(ReferenceJSON.value(written) != nil, "an inspection that is not JSON")
        case .failure(let error): try requireMessage(error.description)
        }
        let unknown = outcome { () throws(InputError) in try WrappedSecretFields.check(document) }
        if case .failure(let error) = unknown { try requireMessage(error.description) }
    }
    let inspections = Inspection.all(in: [file], namespace: nil) { _ in .noRulesFile }
    for problem in inspections.problems { try requireMessage(problem.description) }
    let index = outcome { () throws(InputError) in try file.index(named: "db", namespace: "payments") }
    if case .failure(let error) = index { try requireMessage(error.description) }
    let review = ReviewText(path: "f.yaml", input.secret)
    _ = UnifiedDiff(from: input.secret, to: review.bytes).lines
}

/// New recipients and values change exactly those fields of one WrappedSecret or of all, or the edit is refused in one line.
@Sendable private func checkManifestEdit(_ input: [UInt8]) async throws {
    var choices = InputChoices(input)
    let (kept, which, added) = (choices.byte(), choices.number(below: 256), choices.byte())
    let contents = SharedSecret(copying: choices.remaining)
    guard let file = try? WrappedSecretFile(path: "f.yaml", contents: contents, stamp: nil),
        !file.documents.isEmpty
    else { return }
    let index = which % file.documents.count
    let edits = file.documents.enumerated().map { place, document -> ManifestEdit? in
        place == index || added & 32 == 32
            ? ManifestEdit(of: document.object.spec.envelope, kept: kept, added: added) : nil
    }
    guard edits.allSatisfy({ $0?.wanted.recipients.isEmpty != true }) else { return }
    let edited = outcome { () throws(InputError) in
        try file.edited { editor throws(SourceEditError) in
            for (document, edit) in zip(file.documents, edits) {
                if let edit { try EnvelopeEdit.apply(edit.wanted, edit.change, to: document, with: &editor) }
            }
        }
    }
    switch edited {
    case .failure(let error): try requireMessage(error.description)
    case .success(let text):
        let shown = { revealed(text.bytes).text.debugDescription }
        let again = outcome { () throws(InputError) in
            try WrappedSecretFile(path: "edited", contents: text, stamp: nil)
        }
        guard case .success(let result) = again else {
            throw PropertyViolation(description: "cannot be read after the edit: \(shown())")
        }
        try require(result.documents.count == file.documents.count, "\(result.documents.count) documents")
        for (place, edit) in edits.enumerated() {
            var expected = file.documents[place].object
            if let edit { expected.spec.envelope = edit.wanted }
            try require(
                result.documents[place].object == expected, "WrappedSecret \(place) differs: \(shown())")
        }
    }
}

/// New recipients and values of an envelope, as the bytes of an input choose them.
private struct ManifestEdit {
    let wanted: EnvelopeFields
    let change: RecipientChange

    init(of old: EnvelopeFields, kept: UInt8, added: UInt8) {
        let replacements = old.recipients.enumerated().map { place, recipient -> Recipient? in
            switch kept >> (place * 2 % 8) & 3 {
            case 0: recipient
            case 1: nil
            case 2: Recipient(keyID: recipient.keyID, wrappedKey: "vault:v9:QUFBQQ==")
            default: Recipient(keyID: "local:new\(place)", wrappedKey: "QUFBQUFBQUFBQUFBQUFBQQ==")
            }
        }
        let more = Recipient(keyID: "aws-kms:x#y: z", wrappedKey: "AQIDBAUGBwgJCgsMDQ4PEA==")
        change = RecipientChange(
            old: old.recipients, replacements: replacements, added: added & 1 == 1 ? [more] : [])
        var new = old
        new.recipients = change.result
        if added & 2 == 2 { new.data["zz-new"] = "QUJD" }
        if added & 4 == 4 { new.data["1.0"] = "QUJE" }
        if added & 8 == 8, let name = old.data.keys.min() { new.data[name] = nil }
        if added & 16 == 16, let name = old.data.keys.max() { new.data[name] = "QUJF" }
        wanted = new
    }
}

private let master = SharedSecret(copying: [UInt8](repeating: 1, count: 32))

/// A wrapped Secret opens with the same values, and the text for the editor has them too.
@Sendable private func checkSecretManifest(_ input: [UInt8]) async throws {
    let file = SecretBytes(copying: input)
    let read = outcome { () throws(InputError) in try SecretManifestReader.secrets(in: file, source: "s.yaml")
    }
    let decrypted = outcome { () throws(InputError) in
        try SopsDocuments(name: "db", namespace: nil).read(input.secret, path: "s.yaml")
    }
    if case .failure(let error) = decrypted { try requireMessage(error.description) }
    guard case .success(let secrets) = read else {
        if case .failure(let error) = read { try requireMessage(error.description) }
        return
    }
    let keys = KeyRing(primary: try LocalKeyManager(master: master))
    let wrapper = SecretWrapper(keys: keys, scope: .strict, namespace: "payments")
    for secret in secrets.prefix(4) {
        let wrapped: SecretWrapper.Output
        do throws(InputError) {
            wrapped = try await wrapper.wrap(secret)
        } catch {
            try requireMessage(error.description)
            continue
        }
        for note in wrapped.notes { try requireMessage(note) }
        let manifest = SharedSecret(YAMLWriter.write([wrapped.manifest]))
        let opened = try await OpenedDocument(
            WrappedSecretFile(path: "w", contents: manifest, stamp: nil), at: 0, namespace: "payments",
            with: keys)
        try requireEntries(opened.entries, secret.entries)
        let editable = EditableManifest(opened)
        try requireEntries(try editable.entries(in: editable.text), secret.entries)
    }
}

private func requireEntries(_ entries: [SecretEntry], _ others: [SecretEntry]) throws {
    try require(entries.count == others.count, "\(entries.count) entries of \(others.count)")
    for other in others {
        let value = entries.first { $0.name.utf8.elementsEqual(other.name.utf8) }?.value
        try require(value?.bytes.equals(other.value.bytes) == true, "value of \(other.name)")
    }
}
