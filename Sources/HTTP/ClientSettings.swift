import CCurl
import HTTPTypes
import Primitives

/// What every transfer of one client has in common, in the form libcurl takes it. Owns the memory that
/// libcurl is only lent.
final class ClientSettings: Sendable {
    let configuration: HTTPClientConfiguration
    private let proxies: ProxyEnvironment
    private let authorities: SharedSecret?
    private let certificate: SharedSecret?

    init(_ configuration: HTTPClientConfiguration, environment: [String: String]) {
        self.configuration = configuration
        proxies = ProxyEnvironment(environment)
        if case .pem(let bytes) = configuration.trust {
            authorities = SharedSecret(copying: bytes)
        } else {
            authorities = nil
        }
        certificate = configuration.clientCertificate.map { SharedSecret(copying: $0.chain) }
    }

    /// Empty: connect directly, which is also what libcurl makes of it.
    func proxy(for target: RequestTarget) -> String {
        switch configuration.proxy {
        case .none: ""
        case .url(let url): url
        case .environment: proxies.proxy(scheme: target.scheme, host: target.host, port: target.port) ?? ""
        }
    }

    /// Errors: `.invalidRequest`, `.requestTooLarge`.
    func check(_ request: HTTPClientRequest, _ target: RequestTarget, activity: String) throws(HTTPError) {
        if target.scheme == "http" {
            let isAllowed =
                switch configuration.plainHTTP {
                case .never: false
                case .loopbackOnly: IPAddress.isLoopback(host: target.host)
                case .always: true
                }
            guard isAllowed else {
                throw HTTPError(
                    .invalidRequest, activity: activity, detail: "plain http is not allowed here; use https")
            }
        }
        for field in request.secretFields where !Self.isValid(field.value) {
            throw HTTPError(
                .invalidRequest, activity: activity,
                detail: "the value of \(field.name.rawName) has control characters, such as a line end")
        }
        let size =
            switch request.body {
            case .none: 0
            case .bytes(let bytes): bytes.count
            case .secret(let secret): secret.count
            }
        guard size <= configuration.maximumRequestBody else {
            throw HTTPError(
                .requestTooLarge, activity: activity,
                detail: "\(size) bytes; at most \(configuration.maximumRequestBody) are sent")
        }
    }

    /// RFC 9110, section 5.5, on field values. HTTPField sees to the others.
    private static func isValid(_ value: SharedSecret) -> Bool {
        value.bytes.withUnsafeBytes { bytes in
            bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }
        }
    }

    func apply(to easy: EasyHandle) {
        easy.set(CURLOPT_NOSIGNAL, true)
        easy.note(sb_easy_allow_http_only(easy.raw))
        easy.note(sb_easy_leave_resolver_behind(easy.raw))
        easy.note(sb_easy_prepare_sockets(easy.raw))
        easy.set(CURLOPT_FOLLOWLOCATION, false)
        easy.set(CURLOPT_NETRC, Int(CURL_NETRC_IGNORED.rawValue))
        easy.set(CURLOPT_PATH_AS_IS, true)
        easy.set(CURLOPT_SUPPRESS_CONNECT_HEADERS, true)
        easy.set(CURLOPT_CONNECTTIMEOUT_MS, configuration.connectTimeout.wholeMilliseconds)
        easy.set(CURLOPT_TCP_KEEPALIVE, true)
        easy.set(CURLOPT_TCP_KEEPIDLE, 15)
        easy.set(CURLOPT_TCP_KEEPINTVL, 5)
        easy.set(CURLOPT_USERAGENT, configuration.userAgent)
        // 64 KiB by default, for each upload in flight.
        easy.set(CURLOPT_UPLOAD_BUFFERSIZE, 16 << 10)
        // Or libcurl would let NO_PROXY overrule our choice.
        easy.set(CURLOPT_NOPROXY, "")
        applyTrust(to: easy)
        applyClientCertificate(to: easy)
    }

    private func applyTrust(to easy: EasyHandle) {
        easy.set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        switch configuration.trust {
        case .system: break
        case .pem:
            authorities?.bytes.withUnsafeBytes { easy.set(CURLOPT_CAINFO_BLOB, blob: $0) }
            easy.set(CURLOPT_CAINFO, nil)
            // Left alone, the system's directory of CAs would be trusted as well.
            easy.set(CURLOPT_CAPATH, nil)
        case .file(let path):
            easy.set(CURLOPT_CAINFO, path)
            easy.set(CURLOPT_CAPATH, nil)
        case .insecure:
            easy.set(CURLOPT_SSL_VERIFYPEER, false)
            easy.set(CURLOPT_SSL_VERIFYHOST, 0)
            return
        }
        easy.set(CURLOPT_SSL_VERIFYPEER, true)
        easy.set(CURLOPT_SSL_VERIFYHOST, 2)
    }

    private func applyClientCertificate(to easy: EasyHandle) {
        guard let certificate, let key = configuration.clientCertificate?.key else { return }
        easy.set(CURLOPT_SSLCERTTYPE, "PEM")
        easy.set(CURLOPT_SSLKEYTYPE, "PEM")
        // The memory of a SecretBytes stays where it is for as long as we hold it.
        certificate.bytes.withUnsafeBytes { easy.set(CURLOPT_SSLCERT_BLOB, blob: $0) }
        key.bytes.withUnsafeBytes { easy.set(CURLOPT_SSLKEY_BLOB, blob: $0) }
    }
}

extension Duration {
    /// Rounded up, at least 1: libcurl takes 0 for "no limit".
    var wholeMilliseconds: Int {
        let (seconds, attoseconds) = components
        let (whole, isTooLong) = seconds.multipliedReportingOverflow(by: 1_000)
        guard !isTooLong, whole < Int64.max - 1_000 else { return seconds < 0 ? 1 : Int.max }
        return max(Int(whole + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000), 1)
    }
}
