import COpenSSL
import Glibc

/// The certificates of a PEM text, for notes on what a TLS server would send. It decides nothing: a client does that.
package struct CertificateChain: Sendable {
    private let certificates: [SharedSecret]

    /// Reads the PEM blocks with the label CERTIFICATE that can be parsed.
    package init(pem: borrowing SecretBytes) {
        certificates = PEM.parsedBlocks(in: pem).compactMap { parsed in
            guard parsed.label == "CERTIFICATE", case .success(let block) = parsed.block,
                X509Certificate.isParsable(block.contents)
            else { return nil }
            return block.contents
        }
    }

    /// The certificates alone, as PEM.
    package var pem: [UInt8] {
        var text = SecretBuffer()
        for certificate in certificates { PEM.append(certificate.bytes, label: "CERTIFICATE", to: &text) }
        return text.withUnsafeBytes { Array($0) }
    }

    /// The first certificate that is not valid at a time, with its position from 1.
    ///
    /// - Parameter time: In seconds since 1970.
    package func firstInvalid(at time: Int64) -> (position: Int, problem: ValidityProblem)? {
        for (index, certificate) in certificates.enumerated() {
            guard let validity = X509Certificate.validity(certificate) else { continue }
            if time > validity.notAfter { return (index + 1, .expired(validity.notAfter)) }
            if time < validity.notBefore { return (index + 1, .notYetValid(validity.notBefore)) }
        }
        return nil
    }

    /// The reason why a certificate is not valid, with the limit in seconds since 1970.
    package enum ValidityProblem: Sendable, Equatable {
        case expired(Int64)
        case notYetValid(Int64)
    }

    /// The position from 1 of the first certificate that the next one did not issue, or nil if the order is that of TLS: the
    /// server's certificate first, and each followed by its issuer (RFC 8446, 4.4.2).
    package var firstOutOfOrder: Int? {
        for (index, pair) in zip(certificates, certificates.dropFirst()).enumerated()
        where !X509Certificate.isIssued(pair.0, by: pair.1) {
            return index + 1
        }
        return nil
    }
}

extension X509Certificate {
    /// Returns the times between which the certificate is valid, in seconds since 1970, or nil if they cannot be read.
    static func validity(_ der: SharedSecret) -> (notBefore: Int64, notAfter: Int64)? {
        guard let certificate = parse(der) else { return nil }
        defer { X509_free(certificate) }
        guard let start = seconds(X509_get0_notBefore(certificate)),
            let end = seconds(X509_get0_notAfter(certificate))
        else { return nil }
        return (start, end)
    }

    /// Returns true if the names and key identifiers of two certificates say that one issued the other. The signature is not
    /// verified.
    static func isIssued(_ der: SharedSecret, by issuer: SharedSecret) -> Bool {
        guard let subject = parse(der) else { return false }
        defer { X509_free(subject) }
        guard let issuer = parse(issuer) else { return false }
        defer {
            X509_free(issuer)
            ERR_clear_error()
        }
        return X509_check_issued(issuer, subject) == X509_V_OK
    }

    private static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64? {
        defer { ERR_clear_error() }
        var parts = tm()
        guard let time, ASN1_TIME_to_tm(time, &parts) == 1 else { return nil }
        return Int64(timegm(&parts))
    }
}
