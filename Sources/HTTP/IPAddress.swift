import Glibc

/// An address literal as its 4 or 16 bytes in network order. An IPv4-mapped IPv6 address (`::ffff:10.0.0.1`, RFC 4291,
/// 2.5.5.2) equals the IPv4 address.
package struct IPAddress: Equatable {
    let bytes: [UInt8]

    /// Parses an address, with or without brackets. Returns nil for any other text.
    init?(_ text: some StringProtocol) {
        // inet_pton(3) reads up to a NUL, so that it would accept an address with anything after one.
        guard !text.utf8.contains(0) else { return nil }
        var literal = String(text)
        if literal.hasPrefix("["), literal.hasSuffix("]") { literal = String(literal.dropFirst().dropLast()) }
        for (family, length) in [(AF_INET, 4), (AF_INET6, 16)] {
            var bytes = [UInt8](repeating: 0, count: length)
            if inet_pton(family, literal, &bytes) == 1 {
                let isMapped = bytes.count == 16 && bytes.starts(with: Self.mappedPrefix)
                self.bytes = isMapped ? Array(bytes.suffix(4)) : bytes
                return
            }
        }
        return nil
    }

    static let mappedPrefix = [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF]

    var isLoopback: Bool {
        bytes.count == 4 ? bytes[0] == 127 : bytes == [UInt8](repeating: 0, count: 15) + [1]
    }

    /// Returns true if the first `bits` bits of both addresses are equal.
    func belongsTo(_ network: IPAddress, bits: Int) -> Bool {
        guard bytes.count == network.bytes.count, (0...bytes.count * 8).contains(bits) else { return false }
        return zip(bytes, network.bytes).enumerated().allSatisfy { index, pair in
            let covered = min(max(bits - index * 8, 0), 8)
            return (pair.0 ^ pair.1) >> (8 - covered) == 0
        }
    }

    /// - Parameter host: A name or an address, with or without brackets.
    package static func isLoopback(host: String) -> Bool {
        host == "localhost" || host.hasSuffix(".localhost") || IPAddress(host)?.isLoopback == true
    }
}
