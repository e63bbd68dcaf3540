import HTTP
import JSON

/// The error in a response of a Google API, `{"error": {"status": "PERMISSION_DENIED", …}}`. Its message can quote the request
/// and is only compared.
///
/// Source: Google AIP-193, "Errors"; google.rpc.Status, ErrorInfo, PreconditionFailure, BadRequest.
struct GoogleAPIError: Sendable {
    /// The canonical code, such as `PERMISSION_DENIED`.
    let status: String
    /// The reason of ErrorInfo, such as `IAM_PERMISSION_DENIED` or `SERVICE_DISABLED`.
    let reason: String?
    /// The types of violated preconditions, such as `KEY_DISABLED`.
    let violations: [String]
    /// True if a field of the request has a wrong form.
    let isBadRequest: Bool
    private let message: String

    /// Returns nil if the body is not such an error.
    init?(_ body: JSONValue?) {
        guard let error = body?["error"], let status = error["status"]?.string, Self.isCode(status) else {
            return nil
        }
        self.status = status
        let details = (error["details"]?.elements ?? []).prefix(16)
        func ofType(_ type: String) -> [JSONValue] {
            details.filter { $0["@type"]?.string == "type.googleapis.com/google.rpc.\(type)" }
        }
        reason = ofType("ErrorInfo").first?["reason"]?.string.flatMap { Self.isCode($0) ? $0 : nil }
        let failures: [JSONValue] = ofType("PreconditionFailure").flatMap { $0["violations"]?.elements ?? [] }
        violations = failures.prefix(16).compactMap { $0["type"]?.string }.filter { Self.isCode($0) }
        isBadRequest = !ofType("BadRequest").isEmpty
        message = error["message"]?.string ?? ""
    }

    /// True if the server found that the request does not match its checksum.
    var isChecksumMismatch: Bool {
        status == "INVALID_ARGUMENT" && message.lowercased().contains("crc32c")
            && message.lowercased().contains("checksum")
    }

    /// `PERMISSION_DENIED (IAM_PERMISSION_DENIED)`
    var description: String { status + (reason.map { " (\($0))" } ?? "") }

    /// Returns true for a code that is safe to show: capitals, digits and underscores.
    private static func isCode(_ text: String) -> Bool {
        (1...63).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0
                    || $0 == UInt8(ascii: "_")
            }
    }
}
