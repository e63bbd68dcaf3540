package import Envelope
package import Primitives

/// Entries of a Secret as variables of a program.
package enum EnvironmentEntries {
    /// `NAME=value`, each ended by a NUL, in secret memory.
    ///
    /// Errors: an entry's name is no variable's, or its value holds a NUL; or it steers what is run or loaded, and
    /// `only` does not name it. `only` empty: all entries.
    package static func variables(
        _ entries: [SecretEntry], only: [String], source: String
    ) throws(InputError) -> [SharedSecret] {
        for name in only where !entries.contains(where: { $0.name == name }) {
            throw InputError(
                source, "has no entry \(shown(name)); it has \(entries.map(\.name).joined(separator: ", "))")
        }
        var variables: [SharedSecret] = []
        for entry in entries where only.isEmpty || only.contains(entry.name) {
            guard isName(entry.name) else {
                throw InputError(
                    source,
                    "the entry \(shown(entry.name)) cannot be a variable (A-Z a-z 0-9 _, not starting with a digit); "
                        + "name those that are wanted with --only")
            }
            guard only.contains(entry.name) || !isSteering(entry.name) else {
                throw InputError(
                    source,
                    "the entry \(shown(entry.name)) as a variable steers which programs run or what they load; if that "
                        + "is wanted, name it, and the others that are, with --only")
            }
            var variable = SecretBuffer(capacity: entry.name.utf8.count + entry.value.count + 2)
            variable.append(Array(entry.name.utf8))
            variable.append(UInt8(ascii: "="))
            let hasNUL = entry.value.bytes.withUnsafeBytes { $0.contains(0) }
            guard !hasNUL else {
                throw InputError(
                    source, "the value of \(shown(entry.name)) holds a NUL byte and cannot be a variable's")
            }
            variable.append(entry.value.bytes)
            variable.append(0)
            variables.append(SharedSecret(variable.finish()))
        }
        return variables
    }

    /// Whether shells, the loader and common interpreters run or load something because of it. Whoever may write the
    /// row is not thereby trusted with the machine of whoever uses it.
    private static func isSteering(_ name: String) -> Bool {
        steering.contains(name) || steeringPrefixes.contains { name.hasPrefix($0) }
    }

    private static let steeringPrefixes = ["LD_", "GIT_", "PYTHON", "PERL5", "BASH_"]

    private static let steering: Set<String> = [
        "PATH", "HOME", "SHELL", "ENV", "IFS", "CDPATH", "SHELLOPTS", "BASHOPTS", "PS4", "PROMPT_COMMAND",
        "ZDOTDIR",
        "EDITOR", "VISUAL", "PAGER", "BROWSER", "LESSOPEN", "LESSCLOSE", "PERLLIB", "RUBYOPT", "RUBYLIB",
        "NODE_OPTIONS", "NODE_PATH", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH",
        "GCONV_PATH", "LOCPATH", "GLIBC_TUNABLES", "OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES",
    ]

    private static func isName(_ name: String) -> Bool {
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        return name.utf8.first.map { !digits.contains($0) } == true
            && name.utf8.allSatisfy { byte in
                digits.contains(byte) || byte == UInt8(ascii: "_")
                    || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
            }
    }
}
