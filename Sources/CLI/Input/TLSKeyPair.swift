import Cryptography
import FoundationEssentials

/// Checks a certificate and its private key as `kubectl create secret tls` does, and notes what a client would reject.
enum TLSKeyPair {
    /// Returns notes for the user, one line each.
    ///
    /// - Parameters:
    ///   - certificate: The server's certificate and its chain, as PEM.
    ///   - key: The private key, as PEM.
    ///   - now: The current time.
    /// - Throws: `InputError` if one of them cannot be read, or the key does not belong to the first certificate.
    static func check(
        certificate: SharedSecret, _ certificatePath: String, key: SharedSecret, _ keyPath: String,
        at now: Date
    ) throws(InputError) -> [String] {
        var notes: [String] = []
        var certificates = certificate
        let chain = CertificateChain(pem: certificate.bytes)
        if hasPrivateKey(certificate) {
            notes.append(
                "\(certificatePath) holds a private key too, which becomes part of tls.crt; give the certificates alone"
            )
            certificates = SharedSecret(copying: chain.pem)
        }
        do throws(TLSClientIdentity.IdentityError) {
            let text = certificates.bytes.withUnsafeBytes { Array($0) }
            _ = try TLSClientIdentity(certificate: text, key: key)
        } catch {
            throw inputError(error, certificatePath, keyPath)
        }
        return notes + Self.notes(chain, certificatePath, now)
    }

    private static func inputError(
        _ error: TLSClientIdentity.IdentityError, _ certificatePath: String, _ keyPath: String
    ) -> InputError {
        guard error == .keyMismatch else {
            return InputError(error.concernsKey ? keyPath : certificatePath, error.description)
        }
        return InputError(
            keyPath,
            "holds a private key that does not belong to the first certificate of \(certificatePath); give the key that the "
                + "certificate was issued for, and put the server's certificate first")
    }

    private static func notes(_ chain: CertificateChain, _ path: String, _ now: Date) -> [String] {
        var notes: [String] = []
        if let (position, problem) = chain.firstInvalid(at: Int64(now.timeIntervalSince1970)) {
            let state =
                switch problem {
                case .expired(let time): "expired on \(text(time))"
                case .notYetValid(let time): "is not valid before \(text(time))"
                }
            notes.append("\(path): certificate \(position) \(state); clients will reject it")
        }
        if let position = chain.firstOutOfOrder {
            notes.append(
                "\(path): certificate \(position + 1) did not issue certificate \(position); put the server's certificate "
                    + "first, and each issuer after what it issued")
        }
        return notes
    }

    private static func text(_ seconds: Int64) -> String {
        Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
    }

    private static func hasPrivateKey(_ text: SharedSecret) -> Bool {
        PEM.parsedBlocks(in: text.bytes).contains { $0.label.hasSuffix("PRIVATE KEY") }
    }
}
