import CCurl
import Cryptography
import HTTPTypes

/// The options that all transfers of one client share, and the checks of a request. Owns the memory that libcurl
/// borrows.
final class ClientSettings: Sendable {
    let configuration: HTTPClientConfiguration
    private let proxies: ProxyEnvironment
    private let trust: TrustStore
    private let identity: Result<TLSClientIdentity, TLSClientIdentity.IdentityError>?
    private let certificateChain: SharedSecret?

    init(_ configuration: HTTPClientConfiguration, environment: [String: String]) {
        self.configuration = configuration
        proxies = ProxyEnvironment(environment)
        trust = TrustStore(configuration.trust, environment: environment)
        identity = configuration.clientCertificate.map { certificate in
            do throws(TLSClientIdentity.IdentityError) {
                return .success(try TLSClientIdentity(certificate: certificate.chain, key: certificate.key))
            } catch {
                return .failure(error)
            }
        }
        certificateChain = (try? identity?.get()).map { SharedSecret(copying: $0.chain) }
    }

    /// - Returns: the URL of the proxy, or an empty string, for which libcurl connects directly.
    /// - Throws: `.proxyFailed` if the setting is not the URL of a proxy. The error does not quote it, as it may
    ///   contain a password.
    func proxy(for target: RequestTarget, activity: String) throws(HTTPError) -> String {
        switch configuration.proxy {
        case .none: return ""
        case .url(let url):
            do throws(ProxyURL.Problem) {
                return ProxyEnvironment.resolvingNamesAtProxy(try ProxyURL(url).text)
            } catch {
                throw HTTPError(.proxyFailed, activity: activity, detail: "the URL of the proxy \(error)")
            }
        case .environment:
            do throws(ProxyEnvironment.InvalidVariable) {
                let (scheme, host) = (target.scheme, target.host)
                return try proxies.proxy(scheme: scheme, host: host, port: target.port) ?? ""
            } catch {
                throw HTTPError(.proxyFailed, activity: activity, detail: error.description)
            }
        }
    }

    /// - Throws: `.caInvalid`
    func trustedCertificates(activity: String) throws(HTTPError) -> SharedSecret? {
        do throws(TrustStore.LoadError) {
            return try trust.trustedCertificates()
        } catch {
            throw HTTPError(.caInvalid, activity: activity, detail: error.description)
        }
    }

    /// - Throws: `.invalidRequest`, `.requestTooLarge` or `.clientCertificateInvalid`
    func validate(
        _ request: HTTPClientRequest, _ target: RequestTarget, activity: String
    ) throws(HTTPError) {
        if target.scheme == "http" {
            let isAllowed =
                switch configuration.plainHTTP {
                case .never: false
                case .loopbackOnly: IPAddress.isLoopback(host: target.host)
                case .always: true
                }
            guard isAllowed else {
                throw HTTPError(
                    .invalidRequest, activity: activity,
                    detail: "plain http is not allowed for this host; use https")
            }
        }
        if target.scheme == "https", case .failure(let error) = identity {
            throw HTTPError(
                .clientCertificateInvalid, activity: activity,
                detail: "the configured \(error.concernsKey ? "key" : "certificate") \(error)")
        }
        for field in request.secretFields where !Self.isValid(field.value) {
            throw HTTPError(
                .invalidRequest, activity: activity,
                detail:
                    "the value of \(field.name.rawName) contains a control character, such as a line break")
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
                detail: "the body has \(size) bytes; the limit is \(configuration.maximumRequestBody)")
        }
    }

    /// Checks a field value as RFC 9110, section 5.5, defines it. `HTTPField` checks those that are not secret.
    private static func isValid(_ value: SharedSecret) -> Bool {
        value.bytes.withUnsafeBytes { bytes in
            bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }
        }
    }

    /// - Parameter certificates: the trusted CA certificates, which must live as long as the transfer.
    func apply(to easy: EasyHandle, trusting certificates: SharedSecret?) {
        easy.set(CURLOPT_NOSIGNAL, true)
        easy.record(sb_easy_allow_http_only(easy.raw))
        easy.record(sb_easy_quick_exit(easy.raw))  // does not wait for name resolution
        easy.record(sb_easy_prepare_sockets(easy.raw))  // TCP_USER_TIMEOUT and FD_CLOEXEC
        easy.set(CURLOPT_FOLLOWLOCATION, false)
        easy.set(CURLOPT_NETRC, Int(CURL_NETRC_IGNORED.rawValue))
        easy.set(CURLOPT_PATH_AS_IS, true)
        easy.set(CURLOPT_SUPPRESS_CONNECT_HEADERS, true)
        easy.set(CURLOPT_CONNECTTIMEOUT_MS, configuration.connectTimeout.millisecondsRoundedUp)
        easy.set(CURLOPT_TCP_KEEPALIVE, true)
        easy.set(CURLOPT_TCP_KEEPIDLE, 15)
        easy.set(CURLOPT_TCP_KEEPINTVL, 5)
        easy.set(CURLOPT_USERAGENT, configuration.userAgent)
        // The default is 64 KiB for each upload in flight.
        easy.set(CURLOPT_UPLOAD_BUFFERSIZE, 16 << 10)
        // An unset option would let libcurl's own reading of NO_PROXY override the selected proxy.
        easy.set(CURLOPT_NOPROXY, "")
        applyTrust(to: easy, certificates)
        applyClientCertificate(to: easy)
    }

    private func applyTrust(to easy: EasyHandle, _ certificates: SharedSecret?) {
        easy.set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        if case .insecure = configuration.trust {
            easy.set(CURLOPT_SSL_VERIFYPEER, false)
            easy.set(CURLOPT_SSL_VERIFYHOST, 0)
            return
        }
        if let certificates {
            certificates.bytes.withUnsafeBytes { bytes in
                easy.set(CURLOPT_CAINFO_BLOB, blob: bytes)
                // A configured CA is for the server alone. A proxy reached by https is checked against the system's CAs.
                if case .system = configuration.trust {
                    easy.set(CURLOPT_PROXY_CAINFO_BLOB, blob: bytes)
                    easy.set(CURLOPT_PROXY_CAINFO, nil)
                    easy.set(CURLOPT_PROXY_CAPATH, nil)
                }
            }
            easy.set(CURLOPT_CAINFO, nil)
            // By default the system's directory of CAs would be trusted as well.
            easy.set(CURLOPT_CAPATH, nil)
        }
        easy.set(CURLOPT_SSL_VERIFYPEER, true)
        easy.set(CURLOPT_SSL_VERIFYHOST, 2)
    }

    private func applyClientCertificate(to easy: EasyHandle) {
        // If this option is unset, libcurl's password callback crashes or OpenSSL prompts on the terminal. No key that
        // gets here is encrypted (`TLSClientIdentity`).
        easy.set(CURLOPT_KEYPASSWD, "")
        guard let certificateChain, case .success(let identity) = identity else { return }
        easy.set(CURLOPT_SSLCERTTYPE, "PEM")
        easy.set(CURLOPT_SSLKEYTYPE, "PEM")
        // The memory of a SecretBytes does not move while this object holds it.
        certificateChain.bytes.withUnsafeBytes { easy.set(CURLOPT_SSLCERT_BLOB, blob: $0) }
        identity.key.bytes.withUnsafeBytes { easy.set(CURLOPT_SSLKEY_BLOB, blob: $0) }
    }
}

extension Duration {
    /// The duration in milliseconds, at least 1, since libcurl reads 0 as "no limit".
    var millisecondsRoundedUp: Int {
        let (seconds, attoseconds) = components
        let (whole, isTooLong) = seconds.multipliedReportingOverflow(by: 1_000)
        guard !isTooLong, whole < Int64.max - 1_000 else { return seconds < 0 ? 1 : Int.max }
        return max(Int(whole + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000), 1)
    }
}
