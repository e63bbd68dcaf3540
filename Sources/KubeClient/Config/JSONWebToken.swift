import Cryptography
import FoundationEssentials
import YAML

/// JSON Web Tokens (RFC 7519) as far as their holder looks into them. The signature is for the API server to verify.
enum JSONWebToken {
    /// The claim `exp`; long ago if there is none, as client-go has it. Returns nil if the text is no token.
    static func expiration(of token: borrowing SecretBytes) -> Date? {
        let payload = token.withUnsafeBytes { bytes -> SharedSecret? in
            let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
            return parts.count == 3 ? decoded(UnsafeRawBufferPointer(rebasing: parts[1])) : nil
        }
        guard let payload, let documents = try? YAMLReader.documents(in: payload.bytes, source: "token"),
            documents.count == 1, let claims = documents.first, claims.entries != nil
        else { return nil }
        guard let claim = claims["exp"], !claim.isNull else { return Date(timeIntervalSince1970: 0) }
        guard let scalar = claim.scalar, scalar.valueType == .int || scalar.valueType == .float else {
            return nil
        }
        let text = scalar.bytes.bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        guard let seconds = Double(text), seconds.isFinite else { return nil }
        return Date(timeIntervalSince1970: seconds)
    }

    /// base64url without padding (RFC 7515, 2).
    private static func decoded(_ text: UnsafeRawBufferPointer) -> SharedSecret? {
        var standard = SecretBuffer(capacity: text.count + 3)
        for byte in text {
            switch byte {
            case UInt8(ascii: "-"): standard.append("+")
            case UInt8(ascii: "_"): standard.append("/")
            case UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="): return nil
            default: standard.append(byte)
            }
        }
        while !standard.count.isMultiple(of: 4) { standard.append("=") }
        return try? SharedSecret(Base64.decodeSecret(standard.finish(), skipping: Base64.lineBreaks))
    }
}
