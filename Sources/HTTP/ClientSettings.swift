import CCurl
import Cryptography
import HTTPTypes

/// What every transfer of one client has in common, in the form libcurl takes it. Owns the memory that
/// libcurl is only lent.
final class ClientSettings: Sendable {
    let configuration: HTTPClientConfiguration
    private let proxies: ProxyEnvironment
    private let trust: TrustStore
    private let identity: Result<TLSClientIdentity, TLSClientIdentity.IdentityError>?
    private let chain: SharedSecret?

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
        chain = (try? identity?.get()).map { SharedSecret(copying: $0.chain) }
    }

    /// Empty: connect directly, which is also what libcurl makes of it.
    ///
    /// Errors: `.proxyFailed`, for a URL that is none; it is not quoted, as it may hold a password.
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

    /// Errors: `.caInvalid`.
    func trustedCertificates(activity: String) throws(HTTPError) -> SharedSecret? {
        do throws(TrustStore.LoadError) {
            return try trust.trustedCertificates()
        } catch {
            throw HTTPError(.caInvalid, activity: activity, detail: error.description)
        }
    }

    /// Errors: `.invalidRequest`, `.requestTooLarge`, `.clientCertificateInvalid`.
    func validate(_ request: HTTPClientRequest, _ target: RequestTarget, activity: String) throws(HTTPError) {
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
        if target.scheme == "https", case .failure(let problem) = identity {
            throw HTTPError(
                .clientCertificateInvalid, activity: activity,
                detail: "the setting of the \(problem.concernsKey ? "key" : "certificate") \(problem)")
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

    /// `authorities` must live as long as the transfer.
    func apply(to easy: EasyHandle, trusting authorities: SharedSecret?) {
        easy.set(CURLOPT_NOSIGNAL, true)
        easy.record(sb_easy_allow_http_only(easy.raw))
        easy.record(sb_easy_leave_resolver_behind(easy.raw))
        easy.record(sb_easy_prepare_sockets(easy.raw))
        easy.set(CURLOPT_FOLLOWLOCATION, false)
        easy.set(CURLOPT_NETRC, Int(CURL_NETRC_IGNORED.rawValue))
        easy.set(CURLOPT_PATH_AS_IS, true)
        easy.set(CURLOPT_SUPPRESS_CONNECT_HEADERS, true)
        easy.set(CURLOPT_CONNECTTIMEOUT_MS, configuration.connectTimeout.millisecondsRoundedUp)
        easy.set(CURLOPT_TCP_KEEPALIVE, true)
        easy.set(CURLOPT_TCP_KEEPIDLE, 15)
        easy.set(CURLOPT_TCP_KEEPINTVL, 5)
        easy.set(CURLOPT_USERAGENT, configuration.userAgent)
        // 64 KiB by default, for each upload in flight.
        easy.set(CURLOPT_UPLOAD_BUFFERSIZE, 16 << 10)
        // Or libcurl would let NO_PROXY overrule our choice.
        easy.set(CURLOPT_NOPROXY, "")
        applyTrust(to: easy, authorities)
        applyClientCertificate(to: easy)
    }

    private func applyTrust(to easy: EasyHandle, _ authorities: SharedSecret?) {
        easy.set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        if case .insecure = configuration.trust {
            easy.set(CURLOPT_SSL_VERIFYPEER, false)
            easy.set(CURLOPT_SSL_VERIFYHOST, 0)
            return
        }
        if let authorities {
            authorities.bytes.withUnsafeBytes { bytes in
                easy.set(CURLOPT_CAINFO_BLOB, blob: bytes)
                // A proxy that is reached by https is no server of ours: the system's CAs count for it.
                if case .system = configuration.trust {
                    easy.set(CURLOPT_PROXY_CAINFO_BLOB, blob: bytes)
                    easy.set(CURLOPT_PROXY_CAINFO, nil)
                    easy.set(CURLOPT_PROXY_CAPATH, nil)
                }
            }
            easy.set(CURLOPT_CAINFO, nil)
            // Left alone, the system's directory of CAs would be trusted as well.
            easy.set(CURLOPT_CAPATH, nil)
        }
        easy.set(CURLOPT_SSL_VERIFYPEER, true)
        easy.set(CURLOPT_SSL_VERIFYHOST, 2)
    }

    private func applyClientCertificate(to easy: EasyHandle) {
        // Without a password of ours, libcurl's callback crashes, or OpenSSL asks on the terminal. No key that gets here
        // is encrypted (`TLSClientIdentity`).
        easy.set(CURLOPT_KEYPASSWD, "")
        guard let chain, case .success(let identity) = identity else { return }
        easy.set(CURLOPT_SSLCERTTYPE, "PEM")
        easy.set(CURLOPT_SSLKEYTYPE, "PEM")
        // The memory of a SecretBytes stays where it is for as long as we hold it.
        chain.bytes.withUnsafeBytes { easy.set(CURLOPT_SSLCERT_BLOB, blob: $0) }
        identity.key.bytes.withUnsafeBytes { easy.set(CURLOPT_SSLKEY_BLOB, blob: $0) }
    }
}

extension Duration {
    /// Rounded up, at least 1: libcurl takes 0 for "no limit".
    var millisecondsRoundedUp: Int {
        let (seconds, attoseconds) = components
        let (whole, isTooLong) = seconds.multipliedReportingOverflow(by: 1_000)
        guard !isTooLong, whole < Int64.max - 1_000 else { return seconds < 0 ? 1 : Int.max }
        return max(Int(whole + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000), 1)
    }
}
