import System

/// Why a text was refused. One line, `SOURCE:LINE:COLUMN: what; what to do`. It quotes nothing out of the text: any value
/// may be a secret, and at a slip of the syntax a value is read as a key (`{password:hunter2}`).
package struct YAMLError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: Sendable {
        /// Not UTF-8, or control characters.
        case notText
        case tooLarge
        /// Neither YAML nor JSON.
        case syntax
        case duplicateKey
        /// Null, a mapping or a sequence used as a key.
        case badKey
        /// A tag that the value does not fit.
        case badTag
        /// An alias without anchor, an anchor inside itself, too many copies.
        case badAlias
        case badMerge
        case tooDeep
    }

    package let code: Code
    package let source: String
    package let line: Int
    package let column: Int
    /// Without the location.
    package let message: String

    package var description: String {
        "\(source):\(line):\(column): \(message)".escapingInvisibleCharacters
    }
}
