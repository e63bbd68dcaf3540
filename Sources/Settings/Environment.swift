package import Cryptography
import FoundationEssentials
import Glibc
import System

/// The settings of the process: environment variables, and the files that `<NAME>_FILE` variables name.
package struct Environment: Sendable {
    private let lookUp: @Sendable (String, (UnsafePointer<CChar>?) -> Void) -> Void
    private let drop: @Sendable ([String]) -> Void

    /// The environment of this process, read in place: a secret in it is not copied into a `String`.
    package static let process = Environment(
        lookUp: { name, body in OwnVariables.read(name, body) }, drop: { OwnVariables.forget($0) })

    /// Moves the variables of Secrets Bridge (`SB_…`), one of which may be a master key, from the environment of this process
    /// into secret memory, where `process` finds them. Programs that this process starts do not inherit them, and
    /// `/proc/PID/environ` has no values of them. Must be called before threads start: the environment has no lock.
    package static func takeOwnVariables() {
        OwnVariables.take()
    }

    /// An environment of these variables, for tests and for callers with settings of their own.
    ///
    /// - Parameter onForget: Is called by `forget`, which does not change these values.
    package init(_ values: [String: String], onForget: @escaping @Sendable ([String]) -> Void = { _ in }) {
        self.init(
            lookUp: { name, body in
                if let value = values[name] { value.withCString { body($0) } } else { body(nil) }
            }, drop: onForget)
    }

    /// Drops variables of Secrets Bridge (`SB_…`) that nothing reads any more, of which the process would otherwise keep a copy.
    package func forget(_ names: [String]) { drop(names) }

    /// Returns this environment with other values for some variables. Nil hides a variable.
    package func overriding(_ values: [String: String?]) -> Environment {
        let base = lookUp
        return Environment(
            lookUp: { name, body in
                switch values[name] {
                case .some(.some(let value)): value.withCString { body($0) }
                case .some(nil): body(nil)
                case nil: base(name, body)
                }
            }, drop: drop)
    }

    private init(
        lookUp: @escaping @Sendable (String, (UnsafePointer<CChar>?) -> Void) -> Void,
        drop: @escaping @Sendable ([String]) -> Void
    ) {
        self.lookUp = lookUp
        self.drop = drop
    }

    /// Returns a setting that is not a secret, or nil if the variable is not set or blank. White space around it is
    /// removed: a value that was pasted, or read from a file, often ends with a space or a line break.
    package func value(_ name: String) -> String? {
        var value: String?
        lookUp(name) { pointer in
            guard let pointer else { return }
            value = SettingText.trimmed(pointer.bytes) {
                $0.isEmpty ? nil : String(decoding: $0, as: UTF8.self)
            }
        }
        return value
    }

    /// True if `SB_ENV=dev` marks a development profile, in which a controller accepts settings that production must not have.
    package var isDevelopmentProfile: Bool { value("SB_ENV") == "dev" }

    /// Returns a value with its white space, for a variable that holds data, or nil if it is unset or empty.
    package func exactValue(_ name: String) -> String? {
        var value: String?
        lookUp(name) { value = $0.map { String(cString: $0) } }
        return value.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Returns a secret that the variable itself holds, without the white space around it, or nil if it is not set or
    /// blank.
    package func inlineSecret(_ name: String) -> SharedSecret? {
        var inline: SharedSecret?
        lookUp(name) { pointer in
            guard let pointer else { return }
            inline = SettingText.trimmedSecret(pointer.bytes)
        }
        return inline
    }

    /// Returns a secret from the variable `name` or from the file that `<name>_FILE` names, without the white space
    /// around it and without a byte-order mark, or nil if neither is set. An empty file gives an empty secret.
    ///
    /// - Throws: `SettingError` if both are set, or the file cannot be read.
    package func secret(_ name: String) throws(SettingError) -> SharedSecret? {
        let inline = inlineSecret(name)
        guard let path = value(name + "_FILE") else { return inline }
        guard inline == nil else {
            throw SettingError(
                variable: name, problem: "is set together with \(name)_FILE; keep one of them")
        }
        do throws(FileError) {
            let content = try SecretBytes(contentsOfFile: path, limit: 64 * 1024)
            return content.withUnsafeBytes { SettingText.trimmedSecret($0) } ?? SharedSecret(copying: [])
        } catch {
            // The value is not quoted: it may be the secret itself.
            throw SettingError(
                variable: name + "_FILE",
                problem:
                    "names a file that cannot be read: \(error.reason); if the variable holds the secret itself, set \(name) "
                    + "instead"
            )
        }
    }
}

/// A setting that is missing or wrong. The text names the variable, the problem and the remedy.
package struct SettingError: Error, Equatable, Sendable, CustomStringConvertible {
    package let variable: String
    package let problem: String

    package init(variable: String, problem: String) {
        self.variable = variable
        self.problem = problem.asOneLine
    }

    package var description: String { "\(variable) \(problem)" }
}

extension UnsafePointer<CChar> {
    /// The bytes before the NUL.
    fileprivate var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: self, count: strlen(self)) }
}
