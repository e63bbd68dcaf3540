/// Line breaks of YAML 1.1 (5.4), as libyaml takes them: LF, CR, CR LF, NEL, LS and PS. In what is written in lines, all of
/// them end one.
enum LineBreaks {
    /// The length of the break that begins at `offset`; 0: none does.
    static func length(at offset: Int, in bytes: UnsafeRawBufferPointer) -> Int {
        func byte(_ distance: Int) -> UInt8 { offset + distance < bytes.count ? bytes[offset + distance] : 0 }
        switch byte(0) {
        case lineFeed where offset < bytes.count: return 1
        case carriageReturn: return byte(1) == lineFeed ? 2 : 1
        case 0xC2: return byte(1) == 0x85 ? 2 : 0
        case 0xE2: return byte(1) == 0x80 && (byte(2) == 0xA8 || byte(2) == 0xA9) ? 3 : 0
        default: return 0
        }
    }

    /// The length of the break that ends right before `offset`; 0: none does.
    static func length(before offset: Int, in bytes: UnsafeRawBufferPointer) -> Int {
        for distance in [3, 2, 1] where distance <= offset {
            if length(at: offset - distance, in: bytes) == distance { return distance }
        }
        return 0
    }

    static func first(from offset: Int, in bytes: UnsafeRawBufferPointer) -> Range<Int>? {
        var place = offset
        while place < bytes.count {
            let length = length(at: place, in: bytes)
            if length > 0 { return place..<place + length }
            place += 1
        }
        return nil
    }

    static func last(before offset: Int, in bytes: UnsafeRawBufferPointer) -> Range<Int>? {
        var place = offset
        while place > 0 {
            let length = length(before: place, in: bytes)
            if length > 0 { return place - length..<place }
            place -= 1
        }
        return nil
    }
}
