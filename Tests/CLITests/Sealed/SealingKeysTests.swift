import Cryptography
import Foundation
import TestSupport
import Testing

@testable import CLI

/// Reads the keys of sealed-secrets in all formats in which they are kept.
@Suite struct SealingKeysTests {
    private let vectors: SealedVectors

    init() throws { vectors = try SealedVectors() }

    private func keys(_ text: String) throws(InputError) -> [RSAPrivateKey] {
        try sealingKeys(text.utf8).keys
    }

    private func sealingKeys(_ file: some Sequence<UInt8>) throws(InputError) -> SealingKeys {
        try SealingKeys(in: SharedSecret(copying: Array(file)), source: "keys")
    }

    private func opens(_ keys: [RSAPrivateKey], _ manifest: String = "strict") throws -> Bool {
        let file = try ManifestFile.objects(
            in: SharedSecret(copying: try vectors.manifest(manifest).data()), source: "s.json",
            kind: "SealedSecret",
            group: "bitnami.com")
        let document = try SealedSecretDocument(try #require(file.first), source: "s.json")
        return errorMessage { () throws(InputError) in
            try SealedSecretOpener(keys: SealingKeys(keys), namespace: nil).open(document)
        } == nil
    }

    private func text(_ value: AnyJSON) throws -> String {
        String(decoding: try value.data(), as: UTF8.self)
    }

    @Test(arguments: ["pkcs1", "pkcs8"])
    func readsPEM(form: String) throws {
        let found = try keys(try vectors.pem(form))
        #expect(found.count == 1)
        #expect(try opens(found))
    }

    @Test func skipsCertificates() throws {
        let found = try keys(
            try vectors.pem("certificate") + vectors.pem("pkcs8") + vectors.pem("certificate"))
        #expect(found.count == 1)
        #expect(try opens(found))
    }

    @Test func readsSecretsThatKubectlPrints() throws {
        let one = try text(try #require(vectors.kubectl["one"]))
        #expect(try opens(keys(one)))
        let list = try keys(try text(try #require(vectors.kubectl["list"])))
        #expect(list.count == 2)
        #expect(try opens(list))
        #expect(try opens(list, "second"))
        // A file with several documents, one of which is another Secret.
        let other = "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n"
        #expect(try keys("\(one)\n---\n\(one)\n---\n\(other)").count == 2)
        let pem = try vectors.pem("pkcs1").split(separator: "\n").map { "    \($0)\n" }.joined()
        #expect(try opens(keys("\(other)stringData:\n  tls.key: |\n\(pem)")))
    }

    @Test func skipsAByteOrderMark() throws {
        let found = try keys("\u{FEFF}" + vectors.pem("pkcs8"))
        #expect(found.count == 1)
        #expect(try opens(found))
    }

    /// Keys that are not RSA belong to something else.
    @Test func leavesOutKeysThatAreNotRSA() throws {
        let one = try text(try #require(vectors.kubectl["one"]))
        func secret(_ pem: String) throws -> String {
            let value = Data(try vectors.pem(pem).utf8).base64EncodedString()
            return "apiVersion: v1\nkind: Secret\nmetadata: {name: web}\ndata: {tls.key: \(value)}\n"
        }
        let other = try secret("ec")
        let found = try sealingKeys("\(other)---\n\(one)\n".utf8)
        #expect(found.keys.count == 1)
        #expect(try opens(found.keys))
        #expect(
            found.notes == [
                "keys:1:1: Secret web: tls.key: a private key is not RSA, which is what sealed-secrets uses; it was left out"
            ])
        let alone = errorMessage { () throws(InputError) in try keys(other) }
        #expect(alone?.contains("is not RSA") == true)
        #expect(alone?.hasSuffix("is it the right file?") == true)
        // A damaged key may be one of sealed-secrets and is not skipped.
        let damaged = try secret("certificate")
        #expect(
            errorMessage { () throws(InputError) in try keys("\(damaged)---\n\(one)\n") }?.contains(
                "no private key") == true)
        #expect(try sealingKeys((vectors.pem("ec") + vectors.pem("pkcs1")).utf8).notes.count == 1)
    }

    @Test func explainsUnusualFormatsOfAKey() throws {
        let whole = try vectors.pem("pkcs1")
        let lines = whole.split(separator: "\n")
        let indented = lines.map { "  \($0)\n" }.joined()
        let deep = lines.map { "    \($0)\n" }.joined()
        let head = "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n"
        let body = lines.dropFirst().dropLast().joined()
        let der = try #require(Data(base64Encoded: body))
        let misplaced = "-----BEGIN is not at the start of a line"
        let cases: [(Data, String)] = [
            (Data(indented.utf8), "keys: \(misplaced)"),
            (Data(lines.joined(separator: "\\n").utf8), "keys: \(misplaced)"),
            (Data((lines.joined(separator: "\\n") + "\\n").utf8), "keys: \(misplaced)"),
            (Data("key: |\n\(indented)".utf8), "keys: \(misplaced)"),
            (der, "openssl pkey -inform der -in FILE"),
            (
                Data("\(head)stringData:\n tls.key: |2\n\(deep)".utf8),
                "keys:1:1: Secret x: tls.key: \(misplaced)"
            ),
            // A manifest may properly indent the key, so the error is another one.
            (Data("\(head)spec:\n tls.key: |\n\(indented)".utf8), "a Secret has no such field"),
        ]
        for (file, part) in cases {
            let message = errorMessage { () throws(InputError) in try sealingKeys(file) }
            #expect(message?.contains(part) == true, "\(message ?? "accepted")")
            #expect(message?.contains("\n") == false)
            #expect(message?.contains("MII") == false)
        }
    }

    @Test func explainsWhyAFileHasNoKey() throws {
        let whole = try vectors.pem("pkcs1")
        let cases = [
            (try vectors.pem("encrypted"), "encrypted; decrypt it first: openssl pkey"),
            (try vectors.pem("encrypted-pkcs1"), "encrypted; decrypt it first: openssl pkey"),
            (try vectors.pem("certificate"), "contains \"CERTIFICATE\", but no private key"),
            (try vectors.pem("ec"), "is not RSA"),
            (String(whole.prefix(300)), "has no end"),
            (whole.replacing("\nM", with: "\n*"), "is not valid base64"),
            (
                whole.split(separator: "\n").enumerated().filter { $0.offset != 4 }.map(\.element)
                    .joined(separator: "\n"), "is not a private key, or is damaged"
            ),
            ("", "is empty"),
            (Data(whole.utf8).base64EncodedString(), "--sealing-key also takes PEM"),
            (
                "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n",
                "none of its Secrets has the entry tls.key"
            ),
            (
                "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {tls.key: hm}\n",
                "Secret x: tls.key: is not PEM, and has no private key"
            ),
            ("{apiVersion: v1, kind: List, items: []}", "without items"),
        ]
        for (text, part) in cases {
            let message = errorMessage { () throws(InputError) in try keys(text) }
            #expect(message?.contains(part) == true, "\(message ?? "accepted")")
            #expect(message?.contains("\n") == false)
            #expect(message?.contains("MII") == false)
        }
    }
}
