import TestSupport
import Testing

@testable import Cryptography

/// NIST's CAVP vectors for AES-256-GCM (Tests/Vectors/cavp/README.md).
struct CAVPTests {
    /// One `Count = …` block: its fields by name. A line `FAIL` becomes the field FAIL.
    private func blocks(of path: String) throws -> [[String: String]] {
        let text = String(decoding: try vectorFile(path), as: UTF8.self)
        var blocks: [[String: String]] = []
        for line in text.split(separator: "\n") where !line.hasPrefix("#") && !line.hasPrefix("[") {
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = parts[0].filter { $0 != " " }
            if name == "Count" { blocks.append([:]) }
            try #require(["Count", "Key", "IV", "CT", "AAD", "Tag", "PT", "FAIL"].contains(name), "\(line)")
            try #require(!blocks.isEmpty)
            blocks[blocks.count - 1][name] = parts.count == 2 ? parts[1].filter { $0 != " " } : ""
        }
        return blocks
    }

    @Test func encrypts() throws {
        let blocks = try blocks(of: "cavp/gcmEncryptExtIV256.rsp")
        #expect(blocks.count == 75)
        for block in blocks {
            let sealed = try AES256GCM.seal(
                SecretBytes(copying: field("PT", of: block)),
                key: SecretBytes(copying: field("Key", of: block)),
                nonce: field("IV", of: block), associatedData: field("AAD", of: block))
            let expected = try field("IV", of: block) + field("CT", of: block) + field("Tag", of: block)
            #expect(sealed == expected, "Key = \(block["Key"] ?? "")")
        }
    }

    @Test func decrypts() throws {
        let blocks = try blocks(of: "cavp/gcmDecrypt256.rsp")
        #expect(blocks.count == 125)
        #expect(blocks.count { $0["FAIL"] != nil } == 50)
        for block in blocks {
            let sealed = try field("IV", of: block) + field("CT", of: block) + field("Tag", of: block)
            let opened = try? SharedSecret(
                AES256GCM.open(
                    sealed, key: SecretBytes(copying: field("Key", of: block)),
                    associatedData: field("AAD", of: block)))
            let expected = block["FAIL"] == nil ? try field("PT", of: block) : nil
            #expect(opened?.bytes.revealed() == expected, "Key = \(block["Key"] ?? "")")
        }
    }

    private func field(_ name: String, of block: [String: String]) throws -> [UInt8] {
        try bytes(hex: #require(block[name]))
    }
}
