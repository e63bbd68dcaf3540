import CCurl

/// libcurl's process-wide state. Initialised once, on first use, and never torn down: other threads may be
/// inside OpenSSL until the process ends.
enum CurlLibrary {
    private static let initialised: CURLcode = sb_curl_global_init()

    static func initialise() throws(HTTPError) {
        guard initialised == CURLE_OK else {
            throw HTTPError(
                .clientFailed, activity: "starting libcurl",
                detail: String(cString: curl_easy_strerror(initialised)))
        }
    }
}
