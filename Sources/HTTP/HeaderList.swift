import CCurl
import Cryptography
import HTTPTypes

/// The header lines of one request as libcurl's list; libcurl zeroes its copies when they are freed.
struct HeaderList: ~Copyable {
    private(set) var list: UnsafeMutablePointer<curl_slist>?
    private(set) var isComplete = true

    deinit {
        curl_slist_free_all(list)
    }

    mutating func append(_ line: String) {
        keep(curl_slist_append(list, line))
    }

    mutating func append(_ field: HTTPField) {
        // "Name:" would remove the field, "Name;" sends it empty.
        append(field.value.isEmpty ? "\(field.name.rawName);" : "\(field.name.rawName): \(field.value)")
    }

    mutating func append(_ field: HTTPClientRequest.SecretField) {
        var line = SecretBuffer(capacity: field.value.count + 64)
        line.append([UInt8](field.name.rawName.utf8))
        line.append(": ")
        line.append(field.value.bytes)
        line.append(0)
        line.withUnsafeBytes { bytes in
            keep(curl_slist_append(list, bytes.assumingMemoryBound(to: CChar.self).baseAddress))
        }
    }

    private mutating func keep(_ longer: UnsafeMutablePointer<curl_slist>?) {
        if let longer {
            list = longer
        } else {
            isComplete = false
        }
    }
}
