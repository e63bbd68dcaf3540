import Cryptography
import Envelope
import Foundation
import JSON
import KubeClient
import TestSupport

@testable import Controller
@testable import Resources

extension FuzzTarget {
    static let objectTargets = [
        FuzzTarget("wrapped-secret", seeds: ObjectSeeds.wrappedSecrets, check: checkWrappedSecret),
        FuzzTarget(
            "envelope", seeds: ObjectSeeds.envelopes, check: checkEnvelope),
        FuzzTarget("provider", seeds: ObjectSeeds.providers, check: checkProvider),
        FuzzTarget(
            "template", maximumLength: 1024, seeds: ObjectSeeds.templates, check: checkTemplate),
    ]
}

enum ObjectSeeds {
    private static let spec =
        #""spec":{"format":"v1","scope":"strict","mac":"\#(Base64.encode([UInt8](repeating: 1, count: 32)))","#
        + #""recipients":[{"keyID":"local:test","wrappedKey":"\#(String(repeating: "QUJD", count: 20))"}],"#
        + #""data":{"password":"\#(Base64.encode([UInt8](repeating: 2, count: 40)))"},"#
        + #""template":{"metadata":{"name":"db","labels":{"a":"b"},"annotations":{"c":"d"}},"type":"Opaque","#
        + #""immutable":false,"data":{"x":"{{ .password | base64 }}"}},"creationPolicy":"Merge","recreate":true,"#
        + #""keyRef":{"kind":"KeyProvider","name":"own"},"rolloutRestart":[{"kind":"Deployment","name":"web"}]}"#

    static let object =
        #"{"apiVersion":"secrets-bridge.io/v1alpha1","kind":"WrappedSecret","metadata":{"name":"db","#
        + #""namespace":"payments","uid":"u1","resourceVersion":"10","generation":3,"managedFields":[{"manager":"m","#
        + #""operation":"Apply","fieldsV1":{"f:metadata":{"f:labels":{"f:a":{}}}}}]},\#(spec),"status":{"#
        + #""observedGeneration":3,"conditions":[{"type":"Ready","status":"True","reason":"Synced","message":"m","#
        + #""lastTransitionTime":"2026-01-01T00:00:00Z"}],"secret":{"name":"db","uid":"u2","resourceVersion":"12"}}}"#

    static let wrappedSecrets = Seeds.texts(object)

    /// The specs of the cases of Tests/Vectors/envelope.
    static let envelopes: @Sendable () -> [[UInt8]] = {
        let files = Seeds.vectors("envelope", upTo: 1 << 20)().compactMap { try? AnyJSON($0) }
        let cases = files.flatMap { $0["cases"]?.items ?? [] }
        return cases.compactMap { try? $0["spec"]?.data() }.map { Array($0) }.filter { $0.count <= 2048 }
    }

    static let templates: @Sendable () -> [[UInt8]] = {
        Seeds.vectors("templates/go.json", upTo: 1 << 20)().compactMap { try? AnyJSON($0) }
            .flatMap { $0["vectors"]?.items ?? [] }.compactMap { $0["template"]?.string }.map {
                Array($0.utf8)
            }
    }

    static let providers = Seeds.texts(
        #"{"metadata":{"name":"vault"},"spec":{"vault":{"address":"https://vault:8200","mount":"transit","key":"k"},"#
            + #""identity":{"audience":"vault"},"namespaces":{"names":["a"],"selector":{"matchLabels":{"t":"p"}}},"#
            + #""allowClusterScope":true,"keyProviders":{"keys":["{{namespace}}-*"]}}}"#,
        #"{"metadata":{"name":"own","namespace":"payments"},"spec":{"clusterKeyProvider":"vault","key":"payments-k"}}"#
    )
}

/// An object that can be read is planned, rendered and cached; what is written for it is JSON.
@Sendable private func checkWrappedSecret(_ input: [UInt8]) throws {
    guard let item = try? JSONReader.read(Decoded<WrappedSecret>.self, from: input) else { return }
    try requireCached(item)
    guard case .object(let object) = item else { return }
    _ = object.requestedSync
    _ = object.metadata.keysOwned(by: "secrets-bridge")
    _ = object.spec.workloadsToRestart.map(\.resource)
    let result = outcome { () throws(SpecError) in try DesiredSecret(object) }
    switch result {
    case .success(let desired): try requireRendered(desired, of: object)
    case .failure(let error): try requireMessageOfStatus(error.message)
    }
}

/// The cache returns the object that was put into it, and the reduced object has the plan's digest.
func requireCached(_ item: Decoded<WrappedSecret>) throws {
    let reduced = CacheTransform.transformed(item)
    let codec = CacheCodec()
    guard case .object(let object) = reduced, let packed = codec.pack(reduced) else { return }
    guard case .object(let unpacked) = codec.unpackObject(packed) else { return }
    try require(unpacked == object, "the cache returns another object")
    let secret = CacheTransform.transformed(item.metadata)
    try require(codec.unpackMetadata(codec.pack(secret)) == secret, "the cache returns other metadata")
}

private func requireRendered(_ desired: DesiredSecret, of object: WrappedSecret) throws {
    let isAbridged = object.spec.envelope.data.isEmpty
    if !isAbridged {
        let envelope = try? Envelope(
            object.spec.envelope, namespace: object.metadata.namespace, secretName: desired.name)
        if let envelope {
            try require(envelope.fields == object.spec.envelope, "an envelope of other fields")
            try require(envelope.entries.map(\.name) == desired.envelope.entryNames, "other entries")
        }
    }
    let bodies = [
        SecretRendering.createBody(desired, of: object, entries: []),
        SecretRendering.updatePatch(object.metadata, to: desired, of: object, entries: []).body,
        SecretRendering.releaseBody(from: object.metadata),
    ]
    for body in bodies {
        let bytes = revealed(body.bytes)
        try require(
            ReferenceJSON.value(bytes) != nil, "wrote what is not JSON: \(bytes.text.debugDescription)")
    }
    try require(
        desired.keys == desired.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }, "order of keys")
}

/// Messages of a status may quote names of the object, which the API server has validated, but must be bounded.
func requireMessageOfStatus(_ text: String) throws {
    try require(text.utf8.count <= 1 << 20, "a message of \(text.utf8.count) bytes")
}

/// Valid fields are the envelope's own, and the summary without ciphertexts agrees with it.
@Sendable private func checkEnvelope(_ input: [UInt8]) throws {
    guard let fields = try? JSONReader.read(WrappedSecretSpec.self, from: input).envelope else { return }
    for namespace in ["payments", nil] {
        let whole = outcome { () throws(EnvelopeError) in
            try Envelope(fields, namespace: namespace, secretName: "db")
        }
        let summary = outcome { () throws(EnvelopeError) in
            try EnvelopeSummary(fields, namespace: namespace, secretName: "db")
        }
        switch (whole, summary) {
        case (.success(let envelope), .success(let summary)):
            try require(envelope.fields == fields, "other fields")
            try require(summary.entryNames == envelope.entries.map(\.name), "other names in the summary")
            let count = envelope.entries.reduce(0) { $0 + $1.sealed.count - 28 }
            try require(
                summary.plaintextByteCount == count, "\(summary.plaintextByteCount) of \(count) bytes")
        case (.success, .failure(let error)): throw PropertyViolation(description: "no summary: \(error)")
        case (.failure(let error), _): try requireMessage(error.description)
        }
    }
}

private struct OneProvider: ProviderCatalog {
    let cluster: Decoded<ClusterKeyProvider>?
    let own: Decoded<KeyProvider>?

    func clusterKeyProvider(_ name: String) -> Decoded<ClusterKeyProvider>? { cluster }
    func keyProvider(_ ref: ObjectRef) -> Decoded<KeyProvider>? { own }
    func labels(ofNamespace name: String) -> [String: String]? { ["t": "p"] }
}

/// A provider resolves for a namespace, or has a message; a section of a backend is one that the backend knows.
@Sendable private func checkProvider(_ input: [UInt8]) throws {
    let lines = input.split(separator: 0x0A, maxSplits: 1).map { Array($0) }
    let cluster = lines.first.flatMap { try? JSONReader.read(Decoded<ClusterKeyProvider>.self, from: $0) }
    let own = lines.last.flatMap { try? JSONReader.read(Decoded<KeyProvider>.self, from: $0) }
    guard cluster != nil || own != nil else { return }
    let resolution = ProviderResolution(OneProvider(cluster: cluster, own: own))
    let references = [
        ProviderRef(clusterKeyProvider: "vault"),
        ProviderRef(keyProvider: ObjectRef(namespace: "payments", name: "own")),
    ]
    for reference in references {
        let result = outcome { () throws(ProviderError) in
            try resolution.resolve(reference, for: "payments", usesClusterScope: true)
        }
        switch result {
        case .success(let provider):
            try require(provider.provider == reference, "another provider")
            try require(resolution.isCurrent(provider), "a provider that is not current at once")
        case .failure(let error): try requireMessageOfStatus(error.message)
        }
        _ = try? resolution.userSettings(reference)
    }
}

private let templateEntries: [SecretEntry] = [
    ("user", "app"), ("tls.crt", "-----BEGIN-----\nAA==\n"), ("b64", "aGVsbG8=\n"), ("a", "\u{0}é\""),
].map { SecretEntry(name: $0.0, value: SharedSecret(copying: $0.1.utf8)) }

/// A template renders within its limit, and its translation from SealedSecrets is a template.
@Sendable private func checkTemplate(_ input: [UInt8]) throws {
    guard let text = input.validText else { return }
    if case .failure(let error) = outcome({ () throws(TemplateError) in try SecretTemplate(text) }) {
        try requireMessageOfStatus(error.description)
    }
    if let translated = try? SecretTemplate.translating(sealedSecrets: text) {
        try require((try? SecretTemplate(translated)) != nil, "the translation is no template: \(translated)")
    }
    let result = outcome { () throws(SpecError) in
        let data = try TemplateData(["out": text], entries: templateEntries.map(\.name))
        let size = templateEntries.reduce(0) { $0 + $1.value.count }
        let rendered = try data.rendered(with: templateEntries).first { $0.name == "out" }
        return (count: rendered?.value.count ?? 0, limit: data.maximumRenderedBytes(plaintextByteCount: size))
    }
    switch result {
    case .success(let size):
        try require(size.count <= size.limit, "\(size.count) bytes of at most \(size.limit)")
    case .failure(let error): try requireMessageOfStatus(error.message)
    }
}
