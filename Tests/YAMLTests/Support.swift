import Cryptography
import Foundation

@testable import YAML

func read(_ text: String) throws(YAMLError) -> [YAMLNode] { try read(Array(text.utf8)) }

func read(_ bytes: [UInt8]) throws(YAMLError) -> [YAMLNode] {
    try YAMLReader.documents(in: SecretBytes(copying: bytes), source: "stdin")
}

/// Returns the error of a text that must be rejected, or nil if it is read.
func readError(_ text: String) -> YAMLError? {
    do throws(YAMLError) {
        _ = try read(text)
        return nil
    } catch {
        return error
    }
}

func text(_ secret: borrowing SecretBytes) -> String {
    secret.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
}

func text(_ node: YAMLNode?) -> String? { node?.scalar.map { text($0.bytes.bytes) } }

enum Vectors {
    static func bytes(_ name: String, file: String = #filePath) throws -> [UInt8] {
        let folder = URL(fileURLWithPath: file).deletingLastPathComponent().deletingLastPathComponent()
        return Array(try Data(contentsOf: folder.appendingPathComponent("Vectors/yaml/\(name)")))
    }

    static func lines(_ name: String, file: String = #filePath) throws -> [String] {
        let folder = URL(fileURLWithPath: file).deletingLastPathComponent().deletingLastPathComponent()
        return try String(contentsOf: folder.appendingPathComponent("Vectors/yaml/\(name)"), encoding: .utf8)
            .split(separator: "\n").map(String.init).filter { !$0.hasPrefix("#") }
    }
}

/// xorshift64*, for the same cases in every run.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
    }
}
