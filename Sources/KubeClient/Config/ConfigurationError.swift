import System

/// Why there is no way to a cluster, or no credential for it. One line that names the file and the field, says
/// what is expected, and holds no value of a credential.
package struct ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: Sendable {
        /// Nothing is configured.
        case notConfigured
        /// A file that is named is not there or cannot be read.
        case unreadable
        /// A file is there and wrong.
        case invalid
        /// Something we do not offer, such as `auth-provider: {name: gcp}`.
        case unsupported
        /// A credential plugin or an identity provider failed, or gave what cannot be used.
        case plugin
        /// The calling task was cancelled.
        case cancelled
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        // Names in it come out of files and from plugins.
        self.message = message.escapingInvisibleCharacters
    }

    package var description: String { message }
}
