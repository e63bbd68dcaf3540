import Cryptography
import FoundationEssentials
import JSON
import Settings
import System

/// A certificate that is registered with an application, and its private key, which signs assertions.
///
/// Source: Microsoft identity platform, "Application authentication certificate credentials".
struct AzureClientCertificate: Sendable {
    private let key: RSAPrivateKey
    /// The SHA-256 of the certificate in base64url.
    private let thumbprint: String

    /// An assertion is used at once.
    private static let lifetime = 600.0
    private static let passwordVariable = "AZURE_CLIENT_CERTIFICATE_PASSWORD"

    init(key: RSAPrivateKey, certificate: SharedSecret) throws(CryptoError) {
        self.key = key
        thumbprint = Base64URL.encode(
            try certificate.bytes.withUnsafeBytes { bytes throws(CryptoError) in try sha256(bytes) })
    }

    /// Reads a PEM file that holds the private key and the certificate.
    static func load(
        from path: String, _ environment: Environment
    ) throws(CloudError) -> AzureClientCertificate {
        func problem(_ text: String) -> CloudError {
            CloudError(.misconfigured, "\(AzureProcessCredentials.certificateVariable) \(text)")
        }
        guard environment.value(passwordVariable) == nil else {
            throw CloudError(
                .misconfigured,
                "\(passwordVariable) is not supported; decrypt the key (openssl pkey -in KEY -out DECRYPTED-KEY) and unset it"
            )
        }
        let content: SecretBytes
        do throws(FileError) {
            content = try SecretBytes(contentsOfFile: path, limit: 1 << 20)
        } catch {
            throw problem("names a file that cannot be read: \(error.redactedDescription)")
        }
        guard PEM.containsBlock(content) else {
            throw problem(
                "names a file that is not PEM; convert it: openssl pkcs12 -in FILE -nodes -out CONVERTED-FILE"
            )
        }
        let certificate = PEM.parsedBlocks(in: content).first { $0.label == "CERTIFICATE" }
        guard let block = try? certificate?.block.get(), X509Certificate.isParsable(block.contents) else {
            throw problem("names a file without a certificate; put the certificate and its key into one file")
        }
        let key: RSAPrivateKey
        do throws(RSAPrivateKey.ReadingError) {
            key = try RSAPrivateKey(pem: content)
        } catch {
            switch error {
            case .notRSA:
                throw problem("names a file with a key that is not RSA; Microsoft Entra ID takes RSA keys")
            default:
                throw problem(
                    "names a file without a private key, or with an encrypted one; put the certificate and its key into "
                        + "one file, and decrypt the key: openssl pkey -in KEY -out DECRYPTED-KEY")
            }
        }
        do throws(CryptoError) {
            return try AzureClientCertificate(key: key, certificate: block.contents)
        } catch {
            throw problem("names a certificate whose thumbprint cannot be computed: \(error)")
        }
    }

    /// Returns a JSON Web Token that proves possession of the key.
    ///
    /// - Parameter audience: The URL of the token endpoint.
    func assertion(
        clientID: String, audience: String, now: Date, _ source: String
    ) throws(CloudError) -> SharedSecret {
        do throws(CryptoError) {
            let seconds = Int(now.timeIntervalSince1970)
            return try JWTAssertion(
                header: [("x5t#S256", .string(thumbprint))],
                claims: [
                    ("aud", .string(audience)), ("iss", .string(clientID)), ("sub", .string(clientID)),
                    ("jti", .string(hex(try randomBytes(count: 16)))), ("iat", .int(seconds)),
                    // The clock of Microsoft Entra ID may be behind.
                    ("nbf", .int(seconds - 60)), ("exp", .int(seconds + Int(Self.lifetime))),
                ]
            ).signed(with: key, .ps256)
        } catch {
            throw CloudError(.unavailable, "\(source): the assertion cannot be signed: \(error)")
        }
    }
}
