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
    private static let prefix: String = {
        let random = (UInt64.random(in: 0 ... .max), UInt16.random(in: 0 ... .max))
        let digits = hexadecimal(random.0, 16) + hexadecimal(UInt64(random.1), 4)
        let groups = [8, 4, 4, 4].reduce(into: (rest: digits[...], groups: [Substring]())) { state, count in
            state.groups.append(state.rest.prefix(count))
            state.rest = state.rest.dropFirst(count)
        }
        return groups.groups.joined(separator: "-") + "-"
    }()
    private static let count = Locked<UInt64>(0)

    let description: String

    /// Creates the identifier of the next request.
    init() {
        let number = Self.count.withLock { count in
            count &+= 1
            return count
        }
        description = Self.prefix + Self.hexadecimal(number, 12)
    }

    /// Returns true if a response with these fields belongs to another request of this process.
    func isOfAnother(_ fields: HTTPFields) -> Bool {
        guard let name = Self.field else { return false }
        return fields[values: name].contains { $0.hasPrefix(Self.prefix) && $0 != description }
    }

    private static func hexadecimal(_ number: UInt64, _ width: Int) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: max(width - digits.utf8.count, 0)) + digits
    }
}
