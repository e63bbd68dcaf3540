import CCurl
import Cryptography
import HTTPTypes

/// libcurl's process-wide state. It is initialised once, on first use, and never torn down: other threads may be inside
/// OpenSSL until the process ends.
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

/// A libcurl easy handle: the options and the error text of one transfer at a time. Only the thread of its connection
/// pool uses it.
final class EasyHandle {
    let raw: UnsafeMutableRawPointer
    private let errorText: UnsafeMutablePointer<CChar>
    /// The result of the first option that libcurl refused since the last reset, or CURLE_OK.
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

    /// Clears every option and with them all pointers to borrowed memory. Connections stay open.
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

    /// Sets an option to a copy of `value`, or to libcurl's default if it is nil.
    func set(_ option: CURLoption, _ value: String?) {
        record(sb_easy_set_string(raw, option, value))
    }

    func set(_ option: CURLoption, offset value: Int) {
        record(sb_easy_set_offset(raw, option, curl_off_t(value)))
    }

    /// Sets an option without copying: `value` must live until the next reset.
    func set(_ option: CURLoption, pointer value: UnsafeMutableRawPointer?) {
        record(sb_easy_set_pointer(raw, option, value))
    }

    /// Sets an option without copying: `bytes` must live until the next reset.
    func set(_ option: CURLoption, blob bytes: UnsafeRawBufferPointer) {
        record(sb_easy_set_blob(raw, option, bytes.baseAddress, bytes.count))
    }

    func set(_ option: CURLoption, callback: @escaping curl_write_callback) {
        record(sb_easy_set_callback(raw, option, callback))
    }

    func record(_ result: CURLcode) {
        if setupResult == CURLE_OK { setupResult = result }
    }

    /// Returns libcurl's error text for this transfer, or its general text for `result`, without the user name and
    /// password of a URL that the text quotes.
    func errorMessage(for result: CURLcode) -> String {
        let specific = String(cString: errorText)
        return specific.isEmpty ? String(cString: curl_easy_strerror(result)) : specific.redactingUserInfo
    }

    func info(_ key: CURLINFO) -> Int {
        var value = 0
        return sb_easy_get_long(raw, key, &value) == CURLE_OK ? value : 0
    }

    /// True if the connection of the transfer in progress has negotiated HTTP/2.
    var isOverHTTP2: Bool { sb_easy_negotiated_http2(raw) }

    private func attachErrorText() {
        set(CURLOPT_ERRORBUFFER, pointer: errorText)
    }
}

/// The header lines of one request as a libcurl list. libcurl zeroes its copies when it frees them.
struct HeaderList: ~Copyable {
    private(set) var list: UnsafeMutablePointer<curl_slist>?
    /// False if libcurl had no memory for a line.
    private(set) var isComplete = true

    deinit {
        curl_slist_free_all(list)
    }

    mutating func append(_ line: String) {
        replace(with: curl_slist_append(list, line))
    }

    mutating func append(_ field: HTTPField) {
        // libcurl removes the field for "Name:" and sends it without a value for "Name;".
        append(field.value.isEmpty ? "\(field.name.rawName);" : "\(field.name.rawName): \(field.value)")
    }

    mutating func append(_ field: HTTPClientRequest.SecretField) {
        var line = SecretBuffer(capacity: field.value.count + 64)
        line.append([UInt8](field.name.rawName.utf8))
        line.append(": ")
        line.append(field.value.bytes)
        line.append(0)
        line.withUnsafeBytes { bytes in
            replace(with: curl_slist_append(list, bytes.assumingMemoryBound(to: CChar.self).baseAddress))
        }
    }

    private mutating func replace(with longer: UnsafeMutablePointer<curl_slist>?) {
        if let longer {
            list = longer
        } else {
            isComplete = false
        }
    }
}
