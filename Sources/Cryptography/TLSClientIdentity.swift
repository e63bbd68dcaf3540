import COpenSSL

/// A TLS client certificate with its chain and its private key, read from PEM and checked: the key is not encrypted and
/// belongs to the certificate. Every setting that takes a client certificate is read with it, so that the error names
/// the setting, and neither libcurl nor OpenSSL ever prompts for a password.
///
/// Accepts what Go's `tls.X509KeyPair` accepts: other blocks are ignored, and both texts may be the same file.
package struct TLSClientIdentity: Sendable {
    /// The caller puts the name of the setting before `description`, which has no subject. It never quotes the key.
    package enum IdentityError: Error, Equatable, Sendable, CustomStringConvertible {
        case noCertificate
        case certificateIsDER
        /// `position` counts from 1.
        case damagedCertificate(position: Int)
        case noKey
        case keyIsDER
        case encryptedKey
        case damagedKey
        case keyMismatch

        /// True if the error is about the key's setting, false if it is about the certificate's.
        package var concernsKey: Bool {
            switch self {
            case .noCertificate, .certificateIsDER, .damagedCertificate: false
            case .noKey, .keyIsDER, .encryptedKey, .damagedKey, .keyMismatch: true
            }
        }

        package var description: String {
            switch self {
            case .noCertificate: "holds no PEM certificate; expected -----BEGIN CERTIFICATE-----"
            case .certificateIsDER:
                "holds DER, and PEM is expected; convert it: openssl x509 -inform DER -in FILE -out CONVERTED-FILE"
            case .keyIsDER:
                "holds DER, and PEM is expected; convert it: openssl pkey -inform DER -in FILE -out CONVERTED-FILE"
            case .damagedCertificate(let position):
                "holds a damaged certificate (number \(position)); copy the file again"
            case .noKey: "holds no PEM private key; expected -----BEGIN PRIVATE KEY-----"
            case .encryptedKey:
                "holds an encrypted private key, which is not supported; decrypt it: "
                    + "openssl pkey -in KEY -out DECRYPTED-KEY"
            case .damagedKey:
                "holds a private key that cannot be read; expected PKCS#8, PKCS#1 or SEC 1 in PEM, whole and not encrypted"
            case .keyMismatch:
                "holds a private key that does not belong to the client certificate; use the key that the certificate was issued for"
            }
        }
    }

    /// The certificates as PEM, the client's own first.
    package let chain: [UInt8]
    /// The private key as one PEM block.
    package let key: SharedSecret

    /// - Parameter certificate: the certificate and its chain, as PEM.
    /// - Parameter key: the private key, as PEM.
    package init(certificate: [UInt8], key: SharedSecret) throws(IdentityError) {
        let chain = try Self.chain(in: SecretBytes(copying: certificate))
        let block = try Self.keyBlock(in: key.bytes)
        try Self.check(block.contents.bytes, belongsTo: chain.first)
        var text = SecretBuffer()
        for certificate in chain { PEM.append(certificate.bytes, label: "CERTIFICATE", to: &text) }
        self.chain = text.withUnsafeBytes { Array($0) }
        self.key = SharedSecret(Self.text(of: block))
    }

    private static func chain(in text: borrowing SecretBytes) throws(IdentityError) -> [SharedSecret] {
        var chain: [SharedSecret] = []
        for parsed in PEM.parsedBlocks(in: text) where parsed.label == "CERTIFICATE" {
            let position = chain.count + 1
            guard case .success(let block) = parsed.block, !block.isEncrypted,
                X509Certificate.isParsable(block.contents)
            else { throw .damagedCertificate(position: position) }
            chain.append(block.contents)
        }
        guard !chain.isEmpty else { throw PEM.looksLikeDER(text) ? .certificateIsDER : .noCertificate }
        return chain
    }

    /// Returns the first block that holds a private key. `openssl ecparam -genkey` writes an EC PARAMETERS block before
    /// it.
    private static func keyBlock(in text: borrowing SecretBytes) throws(IdentityError) -> PEM.Block {
        let parsed = PEM.parsedBlocks(in: text).first {
            $0.label == "PRIVATE KEY" || $0.label.hasSuffix(" PRIVATE KEY")
        }
        guard let parsed else { throw PEM.looksLikeDER(text) ? .keyIsDER : .noKey }
        guard parsed.label != "ENCRYPTED PRIVATE KEY" else { throw .encryptedKey }
        guard case .success(let block) = parsed.block else { throw .damagedKey }
        guard !block.isEncrypted else { throw .encryptedKey }
        return block
    }

    private static func check(
        _ key: borrowing SecretBytes, belongsTo certificate: SharedSecret?
    ) throws(IdentityError) {
        let read = key.withUnsafeBytes { bytes -> OpaquePointer? in
            var position = bytes.assumingMemoryBound(to: UInt8.self).baseAddress
            return d2i_AutoPrivateKey(nil, &position, bytes.count)
        }
        ERR_clear_error()
        guard let read else { throw .damagedKey }
        defer { EVP_PKEY_free(read) }
        guard let certificate, let parsed = X509Certificate.parse(certificate) else { throw .noCertificate }
        defer { X509_free(parsed) }
        let matches = X509_check_private_key(parsed, read) == 1
        ERR_clear_error()
        guard matches else { throw .keyMismatch }
    }

    /// Returns the block as PEM. The labels of PKCS#1 and SEC 1 are kept, because they name the encoding.
    private static func text(of block: PEM.Block) -> SecretBytes {
        var text = SecretBuffer(capacity: Base64.encodedCount(block.contents.count) + 256)
        switch block.label {
        case "RSA PRIVATE KEY": PEM.append(block.contents.bytes, label: "RSA PRIVATE KEY", to: &text)
        case "EC PRIVATE KEY": PEM.append(block.contents.bytes, label: "EC PRIVATE KEY", to: &text)
        default: PEM.append(block.contents.bytes, label: "PRIVATE KEY", to: &text)
        }
        return text.finish()
    }
}

/// Determines whether bytes are an X.509 certificate (RFC 5280).
package enum X509Certificate {
    package static func isParsable(_ der: SharedSecret) -> Bool {
        guard let certificate = parse(der) else { return false }
        X509_free(certificate)
        return true
    }

    /// Returns a certificate that the caller frees, or nil if the bytes are not exactly one certificate.
    static func parse(_ der: SharedSecret) -> OpaquePointer? {
        der.bytes.withUnsafeBytes { bytes -> OpaquePointer? in
            defer { ERR_clear_error() }
            guard let start = bytes.assumingMemoryBound(to: UInt8.self).baseAddress else { return nil }
            var position: UnsafePointer<UInt8>? = start
            guard let certificate = d2i_X509(nil, &position, bytes.count) else { return nil }
            guard position == start + bytes.count else {
                X509_free(certificate)
                return nil
            }
            return certificate
        }
    }
}
