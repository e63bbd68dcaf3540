extension String {
    /// The text with control characters written as escapes: names and keys come from files and clusters, and what a
    /// terminal obeys must not reach it. A tab and a line break are such characters too; one line stays one.
    package var visible: String {
        guard unicodeScalars.contains(where: \.isControl) else { return self }
        return unicodeScalars.map { $0.isControl ? $0.escaped(asASCII: true) : String($0) }.joined()
    }
}

extension Unicode.Scalar {
    /// C0, DEL, C1, and the line and paragraph separators.
    fileprivate var isControl: Bool {
        switch value {
        case 0..<0x20, 0x7F..<0xA0, 0x2028, 0x2029: true
        default: false
        }
    }
}
