import CLinux

extension UnsafeRawBufferPointer {
    /// Returns true if these bytes contain others. The time is linear, also if the text begins many times like the other bytes. It
    /// depends on both texts.
    package func contains(bytes: UnsafeRawBufferPointer) -> Bool {
        guard let text = baseAddress, let part = bytes.baseAddress else { return bytes.isEmpty }
        return sb_contains(text, count, part, bytes.count) != 0
    }
}
