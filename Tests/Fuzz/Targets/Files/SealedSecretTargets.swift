import Cryptography
import Foundation
import TestSupport

@testable import CLI

extension FuzzTarget {
    static let sealedSecretTargets = [
        FuzzTarget("sealed-secret", seeds: sealedSecretSeeds, check: checkSealedSecret),
        FuzzTarget("sealing-keys", seeds: sealingKeySeeds, check: checkSealingKeys),
    ]

    private static let sealedSecretSeeds: @Sendable () -> [[UInt8]] = {
        SealedVectors.load()?.sealed.values.compactMap { try? Array($0.data()) }.filter { $0.count <= 4096 }
            ?? []
    }

    private static let sealingKeySeeds: @Sendable () -> [[UInt8]] = {
        (SealedVectors.load()?.keys.values.map { Array($0.utf8) } ?? []) + Seeds.vectors("rsa")().prefix(8)
    }
}

/// The keys and SealedSecrets of Tests/Vectors/sealed-secrets.
private struct SealedVectors: Decodable, Sendable {
    let keys: [String: String]
    let sealed: [String: AnyJSON]

    static func load() -> SealedVectors? {
        let file = Seeds.tests.appending(path: "Vectors/sealed-secrets/sealed.json")
        return (try? Data(contentsOf: file)).flatMap {
            try? JSONDecoder().decode(SealedVectors.self, from: $0)
        }
    }
}

private let sealingKeys: SealingKeys? = SealedVectors.load().map { vectors in
    SealingKeys(
        vectors.keys.values.flatMap {
            (try? SealingKeys(in: SharedSecret(copying: $0.utf8), source: "k"))?.keys ?? []
        })
}

@Sendable private func checkSealedSecret(_ input: [UInt8]) throws {
    let found = outcome { () throws(InputError) in
        try ManifestFile.documents(in: SecretBytes(copying: input), source: "s.yaml")
    }
    guard case .success(let nodes) = found else {
        if case .failure(let error) = found { try requireMessage(error.description) }
        return
    }
    for node in nodes {
        for object in ManifestFile.objects(of: node, kind: SealedSecretDocument.kind) ?? [] {
            let opened = outcome { () throws(InputError) in
                let document = try SealedSecretDocument(object, source: "s.yaml")
                return try sealingKeys.map { keys throws(InputError) in
                    try SealedSecretOpener(keys: keys, namespace: nil).open(document)
                }
            }
            if case .failure(let error) = opened { try requireMessage(error.description) }
        }
    }
}

@Sendable private func checkSealingKeys(_ input: [UInt8]) throws {
    switch outcome({ () throws(InputError) in try SealingKeys(in: input.secret, source: "k") }) {
    case .success(let keys): for note in keys.notes { try requireMessage(note) }
    case .failure(let error): try requireMessage(error.description)
    }
}
