import HTTPTypes
import System

/// The identifier of one request, which the API server writes to its audit log and returns with the response (`Audit-ID`;
/// Kubernetes 1.22 and later, earlier ones if they audit the request).
///
/// A response with the identifier of another request of this process was given to the wrong request, whatever its status.
/// Other identifiers prove nothing, because a proxy may set its own.
struct AuditID: Sendable, Equatable, CustomStringConvertible {
    static let field = HTTPField.Name("Audit-ID")

    /// The beginning of all identifiers of this process: that of a UUID, up to the last group.
    private static let prefix: [UInt8] = {
        var random = SystemRandomNumberGenerator()
        return Array("00000000-0000-0000-0000-".utf8).map { character in
            character == UInt8(ascii: "-") ? character : digit(random.next())
        }
    }()
    private static let count = Locked<UInt64>(0)
    /// The number of digits of the last group.
    private static let width = 12

    let description: String

    /// Creates the identifier of the next request.
    init() {
        let number = Self.count.withLock { count in
            count &+= 1
            return count
        }
        description = String(unsafeUninitializedCapacity: Self.prefix.count + Self.width) { buffer in
            var end = buffer.initialize(fromContentsOf: Self.prefix)
            for position in (0..<UInt64(Self.width)).reversed() {
                buffer.initializeElement(at: end, to: Self.digit(number >> (4 * position)))
                end += 1
            }
            return end
        }
    }

    /// Returns true if a response with these fields belongs to another request of this process.
    func isOfAnother(_ fields: HTTPFields) -> Bool {
        guard let name = Self.field else { return false }
        return fields[values: name].contains { $0.utf8.starts(with: Self.prefix) && $0 != description }
    }

    /// Returns the hexadecimal digit of the lowest four bits.
    private static func digit(_ number: UInt64) -> UInt8 {
        let value = UInt8(truncatingIfNeeded: number & 15)
        return value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
}
