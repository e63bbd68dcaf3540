package import Cryptography

/// A line that is typed or pasted without being shown, byte by byte as the terminal sends it. It knows the keys Backspace,
/// Ctrl-U, Enter, Ctrl-C and Ctrl-D, and ignores other keys that are no text, such as arrows.
package struct HiddenLine: ~Copyable {
    package enum Event: Sendable, Equatable {
        case continuing
        /// Enter.
        case finished
        /// Ctrl-D on an empty line.
        case cancelled
        /// Ctrl-C.
        case interrupted
        /// The line is longer than `maximumLength`.
        case tooLong
    }

    package static let maximumLength = 64 * 1024

    private enum Escape {
        case none, started, sequence, single
    }

    private var text = SecretBuffer()
    private var escape = Escape.none

    package init() {}

    package var isEmpty: Bool { text.count == 0 }

    package mutating func take(_ byte: UInt8) -> Event {
        guard !continuesEscape(byte) else { return .continuing }
        switch byte {
        case UInt8(ascii: "\r"), UInt8(ascii: "\n"): return .finished
        case Self.controlC: return .interrupted
        case Self.controlD: return isEmpty ? .cancelled : .continuing
        case Self.controlU: text.removeLast(text.count)
        case Self.backspace, Self.delete: removeLastCharacter()
        case Self.escapeKey: escape = .started
        case UInt8(ascii: "\t"), 0x20...:
            guard text.count < Self.maximumLength else { return .tooLong }
            text.append(byte)
        default: break
        }
        return .continuing
    }

    package consuming func finish() -> SharedSecret { SharedSecret(text.finish()) }

    /// Skips the rest of a sequence that a key such as an arrow sends (ECMA-48, 5.4).
    private mutating func continuesEscape(_ byte: UInt8) -> Bool {
        switch escape {
        case .none: return false
        case .started:
            escape = byte == UInt8(ascii: "[") ? .sequence : byte == UInt8(ascii: "O") ? .single : .none
            // Enter and Ctrl-C keep their meaning after the Escape key.
            return byte >= 0x20
        case .single: escape = .none
        case .sequence: if 0x40...0x7E ~= byte { escape = .none }
        }
        return true
    }

    private mutating func removeLastCharacter() {
        let length = text.withUnsafeBytes { bytes in
            // Continuation bytes of UTF-8 are 10xxxxxx.
            bytes.reversed().prefix { $0 & 0xC0 == 0x80 }.count + 1
        }
        text.removeLast(length)
    }

    private static let controlC: UInt8 = 3
    private static let controlD: UInt8 = 4
    private static let backspace: UInt8 = 8
    private static let controlU: UInt8 = 21
    private static let escapeKey: UInt8 = 27
    private static let delete: UInt8 = 127
}
