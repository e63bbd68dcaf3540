/// The form of a packed text, in its first byte.
enum PackedForm: UInt8 {
    case none, text, shared, earlier, uuid, uuidAndText, time, number, prefixAndBase64

    /// A reference to a shorter text takes as many bytes as the text.
    static let minimumEarlierLength = 3
    /// The number of texts of an object that later ones are compared with. Without a bound, packing would take quadratic time.
    static let maximumEarlierTexts = 64
}

/// A time of the form `2026-11-26T02:39:28Z` as a number of 14 digits.
enum PackedTime {
    static let length = 20
    private static let pattern = Array("0000-00-00T00:00:00Z".utf8)

    static func digits(_ text: UnsafeBufferPointer<UInt8>) -> UInt64? {
        var number: UInt64 = 0
        for (byte, expected) in zip(text, pattern) {
            if expected == 0x30, (0x30...0x39).contains(byte) {
                number = number &* 10 &+ UInt64(byte &- 0x30)
            } else if expected == 0x30 || byte != expected {
                return nil
            }
        }
        return number
    }

    static func text(_ bytes: UnsafeRawBufferPointer) -> String {
        var rest = bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return String(unsafeUninitializedCapacity: length) { buffer in
            for index in pattern.indices.reversed() {
                buffer[index] = pattern[index]
                guard pattern[index] == 0x30 else { continue }
                buffer[index] = 0x30 + UInt8(rest % 10)
                rest /= 10
            }
            return length
        }
    }
}

/// A UUID in lower case as its 16 bytes.
enum PackedUUID {
    static let length = 36
    static let byteCount = 16
    private static let digits = Array("0123456789abcdef".utf8)

    static func bytes(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(byteCount)
        var high: UInt8?
        for (index, byte) in text.enumerated() {
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x61...0x66: digit = byte - 0x61 + 10
            case 0x2D where isDash(index): continue
            default: return nil
            }
            if isDash(index) { return nil }
            if let first = high { bytes.append(first << 4 | digit) }
            high = high == nil ? digit : nil
        }
        return bytes.count == byteCount ? bytes : nil
    }

    private static func isDash(_ index: Int) -> Bool {
        index == 8 || index == 13 || index == 18 || index == 23
    }

    static func text(_ bytes: UnsafeRawBufferPointer, followedBy rest: UnsafeRawBufferPointer?) -> String {
        String(unsafeUninitializedCapacity: length + (rest?.count ?? 0)) { buffer in
            var index = 0
            for byte in bytes {
                if isDash(index) {
                    buffer[index] = 0x2D
                    index += 1
                }
                buffer[index] = digits[Int(byte >> 4)]
                buffer[index + 1] = digits[Int(byte & 15)]
                index += 2
            }
            for byte in rest ?? .init(start: nil, count: 0) {
                buffer[index] = byte
                index += 1
            }
            return index
        }
    }
}
