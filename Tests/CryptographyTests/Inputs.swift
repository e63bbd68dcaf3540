import FoundationEssentials
import Testing

@testable import Cryptography

/// A file under Tests/Vectors.
func vectorFile(_ path: String) throws -> Data {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    return try Data(contentsOf: folder.appending(path: "Vectors/\(path)"))
}

/// The bytes of a hexadecimal text of a test vector.
func bytes(hex text: some StringProtocol) throws -> [UInt8] {
    let digits = try text.utf8.map { byte in
        try #require(Character(UnicodeScalar(byte)).hexDigitValue, "\(text) is not hexadecimal")
    }
    try #require(digits.count.isMultiple(of: 2))
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}
