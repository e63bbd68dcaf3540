extension String {
    /// The longest beginning of at most `count` bytes of UTF-8 that ends between two scalars. A Character can have any
    /// number of bytes, so that a number of Characters bounds no memory.
    package func truncated(toUTF8 count: Int) -> String {
        guard utf8.count > count else { return self }
        var end = utf8.index(startIndex, offsetBy: max(count, 0))
        while end > startIndex, end.samePosition(in: unicodeScalars) == nil { end = utf8.index(before: end) }
        return String(unicodeScalars[..<end])
    }
}
