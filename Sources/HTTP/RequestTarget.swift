import CCurl

/// A validated request URL in the form that libcurl gets, which contains the TLS server name if one is configured.
struct RequestTarget: Sendable {
    /// `http` or `https`.
    let scheme: String
    /// The host without brackets.
    let host: String
    let port: Int
    /// Scheme, host and port, which errors may show.
    let origin: String
    /// The URL for libcurl.
    let url: String
    /// The value of the Host header if `url` contains the server name instead of the requested host.
    let authority: String?
    /// libcurl's CONNECT_TO entry, which maps the server name to the requested host.
    let connectTo: String?

    init(_ text: String, serverName: String?) throws(HTTPError) {
        guard let parsed = curl_url() else {
            throw HTTPError(.clientFailed, activity: "parsing a URL", detail: "out of memory")
        }
        defer { curl_url_cleanup(parsed) }
        func part(_ part: CURLUPart, _ flags: Int32 = 0) -> String? {
            var found: UnsafeMutablePointer<CChar>?
            guard curl_url_get(parsed, part, &found, UInt32(bitPattern: flags)) == CURLUE_OK, let found
            else { return nil }
            defer { curl_free(found) }
            return String(cString: found)
        }
        func invalid(_ problem: String) -> HTTPError {
            HTTPError(.invalidRequest, activity: "parsing a URL", detail: problem)
        }
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
            throw invalid("the URL contains a space or a control character")
        }
        // Decoding replaces invalid bytes with U+FFFD.
        guard !text.unicodeScalars.contains("\u{FFFD}") else {
            throw invalid("the URL contains bytes that are not UTF-8")
        }
        let result = curl_url_set(parsed, CURLUPART_URL, text, UInt32(CURLU_PATH_AS_IS))
        guard result == CURLUE_OK else { throw invalid(String(cString: curl_url_strerror(result))) }
        guard let scheme = part(CURLUPART_SCHEME), let bracketed = part(CURLUPART_HOST),
            let portText = part(CURLUPART_PORT, CURLU_DEFAULT_PORT), let port = Int(portText)
        else { throw invalid("the URL has no scheme or host") }
        guard scheme == "http" || scheme == "https" else { throw invalid("the scheme is not https") }
        guard part(CURLUPART_USER) == nil, part(CURLUPART_PASSWORD) == nil else {
            throw invalid("credentials in a URL are not accepted")
        }
        self.scheme = scheme
        self.port = port
        host = bracketed.hasPrefix("[") ? String(bracketed.dropFirst().dropLast()) : bracketed
        origin = "\(scheme)://\(bracketed):\(port)"

        guard let serverName, scheme == "https", serverName != host else {
            url = text
            authority = nil
            connectTo = nil
            return
        }
        guard !serverName.isEmpty, serverName.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }),
            curl_url_set(parsed, CURLUPART_HOST, serverName, 0) == CURLUE_OK,
            let renamed = part(CURLUPART_URL)
        else { throw invalid("the TLS server name is not a host name") }
        url = renamed
        authority = part(CURLUPART_PORT) == nil ? bracketed : "\(bracketed):\(port)"
        let name = serverName.contains(":") && !serverName.hasPrefix("[") ? "[\(serverName)]" : serverName
        connectTo = "\(name):\(port):\(bracketed):\(port)"
    }
}
