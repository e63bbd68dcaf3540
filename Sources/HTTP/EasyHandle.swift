import CCurl

/// One libcurl easy handle: the options of one transfer at a time, and its error text. Used by the thread
/// of its lane alone.
final class EasyHandle {
    let raw: UnsafeMutableRawPointer
    private let errorText: UnsafeMutablePointer<CChar>
    /// The first option that libcurl refused since the last reset.
    private(set) var setupResult = CURLE_OK

    init?() {
        guard let raw = curl_easy_init() else { return nil }
        self.raw = raw
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        attachErrorText()
    }

    deinit {
        curl_easy_cleanup(raw)
        errorText.deallocate()
    }

    /// Forgets every option, and with them all pointers to others' memory. Connections stay.
    func reset() {
        curl_easy_reset(raw)
        errorText[0] = 0
        setupResult = CURLE_OK
        attachErrorText()
    }

    func set(_ option: CURLoption, _ value: Int) {
        record(sb_easy_set_long(raw, option, value))
    }

    func set(_ option: CURLoption, _ flag: Bool) {
        set(option, flag ? 1 : 0)
    }

    /// Copied by libcurl; nil is its default.
    func set(_ option: CURLoption, _ value: String?) {
        record(sb_easy_set_string(raw, option, value))
    }

    func set(_ option: CURLoption, offset value: Int) {
        record(sb_easy_set_offset(raw, option, curl_off_t(value)))
    }

    /// Not copied: `value` must live until the next reset.
    func set(_ option: CURLoption, pointer value: UnsafeMutableRawPointer?) {
        record(sb_easy_set_pointer(raw, option, value))
    }

    /// Not copied: `bytes` must live until the next reset.
    func set(_ option: CURLoption, blob bytes: UnsafeRawBufferPointer) {
        record(sb_easy_set_blob(raw, option, bytes.baseAddress, bytes.count))
    }

    func set(_ option: CURLoption, callback: @escaping curl_write_callback) {
        record(sb_easy_set_callback(raw, option, callback))
    }

    func record(_ result: CURLcode) {
        if setupResult == CURLE_OK { setupResult = result }
    }

    /// What went wrong in this transfer: libcurl's specific text, or its general one for `result`. Without the
    /// user name and password of a URL that it quotes.
    func errorMessage(of result: CURLcode) -> String {
        let specific = String(cString: errorText)
        return specific.isEmpty ? String(cString: curl_easy_strerror(result)) : specific.redactingUserInfo
    }

    func info(_ what: CURLINFO) -> Int {
        var value = 0
        return sb_easy_get_long(raw, what, &value) == CURLE_OK ? value : 0
    }

    private func attachErrorText() {
        set(CURLOPT_ERRORBUFFER, pointer: errorText)
    }
}
