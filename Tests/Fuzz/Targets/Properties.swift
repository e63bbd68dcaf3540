import Cryptography

/// A property that does not hold for an input.
struct PropertyViolation: Error, CustomStringConvertible {
    let description: String
}

func require(
    _ condition: Bool, _ message: @autoclosure () -> String, file: StaticString = #fileID, line: UInt = #line
) throws(PropertyViolation) {
    guard condition else { throw PropertyViolation(description: "\(file):\(line): \(message())") }
}

/// A message goes into one line of a log, a status or a terminal: it has no control characters and a bounded length.
func requireMessage(
    _ text: String, maximumLength: Int = 65536, file: StaticString = #fileID, line: UInt = #line
) throws(PropertyViolation) {
    let control = text.unicodeScalars.first { $0.value < 0x20 || $0.value == 0x7F }
    try require(
        control == nil, "a message has a control character: \(text.debugDescription)", file: file, line: line)
    try require(
        text.utf8.count <= maximumLength, "a message has \(text.utf8.count) bytes", file: file, line: line)
}

/// Runs a parser and returns its value or its typed error.
func outcome<Value, Failure: Error>(_ parse: () throws(Failure) -> Value) -> Result<Value, Failure> {
    do throws(Failure) {
        return .success(try parse())
    } catch {
        return .failure(error)
    }
}

func revealed(_ secret: borrowing SecretBytes) -> [UInt8] { secret.withUnsafeBytes { Array($0) } }

extension Array where Element == UInt8 {
    var text: String { String(decoding: self, as: UTF8.self) }

    /// The text, or nil if the bytes are not UTF-8.
    var validText: String? { String(validating: self, as: UTF8.self) }

    var secret: SharedSecret { SharedSecret(copying: self) }
}
