import Cryptography
import System

/// A value that another program or the terminal wrote to a stream: `echo` and Enter leave a line break behind it that is
/// hardly ever meant.
enum TrailingNewline {
    /// A note if the value is one line that ends with a line break; nil otherwise. Of several lines, as of a PEM file, the
    /// last one has its line break too.
    ///
    /// - Parameter path: what the value was read from.
    static func note(_ value: SharedSecret, of entry: String, from path: String) -> String? {
        guard DescriptorPath.isStream(path), endsItsOnlyLine(value) else { return nil }
        return "the value of \(quoted(entry)) ends with a line break, which came from "
            + (DescriptorPath.isStandardInput(path) ? "standard input" : path)
            + " and is kept; if it is not meant, use printf %s or echo -n"
    }

    private static func endsItsOnlyLine(_ value: SharedSecret) -> Bool {
        value.bytes.withUnsafeBytes { bytes in
            bytes.firstIndex(of: UInt8(ascii: "\n")) == bytes.count - 1
        }
    }
}
