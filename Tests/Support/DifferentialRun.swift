import Foundation

/// The seeds and the size of a differential test. A failure names its seed, which `SB_TEST_SEED` replays;
/// `SB_TEST_DOCUMENTS` multiplies the number of documents of each seed.
package enum DifferentialRun {
    package static var seeds: Range<Int> {
        if let seed = setting("SB_TEST_SEED") { return seed..<seed + 1 }
        return 0..<8
    }

    package static func documents(_ count: Int) -> Int { count * max(setting("SB_TEST_DOCUMENTS") ?? 1, 1) }

    private static func setting(_ name: String) -> Int? {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) }
    }
}

/// Damages a document in one to three places.
package func damage(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
    let alphabet = Array("{}[]\",:\\u0019.eE+-truefalsn \n".utf8) + [0x00, 0x7F, 0x80, 0xC3, 0xFF]
    for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty {
        let index = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[index] = alphabet.randomElement(using: &random) ?? 0
        case 1: bytes.remove(at: index)
        default: bytes.insert(alphabet.randomElement(using: &random) ?? 0, at: index)
        }
    }
}
