import Glibc

/// The strings that a reader has read last, so that it allocates those that most objects of a list share only once. It has
/// a fixed number of slots; a new string replaces the one in the slot of its hash.
struct JSONSharedStrings {
    private static let slotCount = 256
    /// Shorter strings take no memory of their own.
    private static let minimumLength = 16

    private var slots: [String] = []

    var isEnabled: Bool { !slots.isEmpty }

    mutating func enable() {
        if slots.isEmpty { slots = Array(repeating: "", count: Self.slotCount) }
    }

    /// - Parameter text: ASCII.
    mutating func string(_ text: UnsafeRawBufferPointer) -> String {
        guard text.count >= Self.minimumLength else { return String(decoding: text, as: UTF8.self) }
        let slot = Self.slot(text)
        if Self.isEqual(slots[slot], text) { return slots[slot] }
        let string = String(decoding: text, as: UTF8.self)
        slots[slot] = string
        return string
    }

    /// Hashes the length and 24 bytes, which is enough to spread the strings.
    private static func slot(_ text: UnsafeRawBufferPointer) -> Int {
        func word(_ offset: Int) -> UInt64 { text.loadUnaligned(fromByteOffset: offset, as: UInt64.self) }
        let factor: UInt64 = 0x9E37_79B9_7F4A_7C15
        var hash = (UInt64(truncatingIfNeeded: text.count) ^ word(0)) &* factor
        hash = (hash ^ (hash >> 32) ^ word(text.count / 2 - 4)) &* factor
        hash = (hash ^ (hash >> 32) ^ word(text.count - 8)) &* factor
        return Int(hash >> 56)
    }

    private static func isEqual(_ string: String, _ text: UnsafeRawBufferPointer) -> Bool {
        guard string.utf8.count == text.count else { return false }
        return string.utf8.withContiguousStorageIfAvailable { known in
            guard let known = known.baseAddress, let text = text.baseAddress else { return false }
            return memcmp(known, text, string.utf8.count) == 0
        } ?? false
    }
}
