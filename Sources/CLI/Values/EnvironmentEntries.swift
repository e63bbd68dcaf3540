package import Cryptography
package import Envelope

/// Entries of a Secret as variables of a program.
package enum EnvironmentEntries {
    /// Which entries become variables.
    package struct EntrySelection: Sendable {
        /// Named by the user, whatever they do to the program.
        let explicitNames: Set<String>
        /// The others too, unless they are dangerous.
        let includesAll: Bool

        /// Returns nil if nothing is chosen.
        ///
        /// - Parameter only: lists of names with commas between them.
        package init?(only: [String], all: Bool) {
            explicitNames = Set(only.flatMap { $0.split(separator: ",") }.map(String.init))
            includesAll = all
            guard all || !explicitNames.isEmpty else { return nil }
        }
    }

    /// The error for a command that chooses no entries: what could be chosen, and the commands that do it.
    ///
    /// - Parameters:
    ///   - names: of the entries.
    ///   - document: arguments that name it; the file comes first.
    ///   - program: and its arguments.
    package static func missingSelection(
        _ names: [String], document: [String], program: [String]
    ) -> InputError {
        let program = program.map(\.shellQuoted).joined(separator: " ")
        let usable = names.sorted().filter(isName)
        let example = usable.isEmpty ? "NAME" : usable.joined(separator: ",")
        let command = "secrets-bridge exec \(document.map(\.shellQuoted).joined(separator: " "))"
        return InputError(
            document.first ?? "",
            "no entries are chosen; it has \(names.isEmpty ? "none" : names.sorted().joined(separator: ", ")): name "
                + "those that the program needs: \(command) --only \(example) -- \(program); or take all, if you trust "
                + "everyone who can change the file: \(command) --all -- \(program)")
    }

    /// `NAME=value`, each ended by a NUL, in secret memory.
    ///
    /// - Throws: `InputError` if a named entry is missing, if an entry's name cannot be that of a variable, or its value
    ///   holds a NUL, or if it is dangerous and not named.
    package static func variables(
        _ entries: [SecretEntry], _ choice: EntrySelection, source: String
    ) throws(InputError) -> [SharedSecret] {
        for name in choice.explicitNames.sorted() where !entries.contains(where: { $0.name == name }) {
            throw InputError(
                source, "has no entry \(quoted(name)); it has \(entries.map(\.name).joined(separator: ", "))")
        }
        var variables: [SharedSecret] = []
        for entry in entries where choice.includesAll || choice.explicitNames.contains(entry.name) {
            guard isName(entry.name) else {
                throw InputError(
                    source,
                    "the entry \(quoted(entry.name)) cannot be a variable (A-Z a-z 0-9 _, not starting with a digit); "
                        + "leave out --all, and name those that are wanted with --only")
            }
            guard choice.explicitNames.contains(entry.name) || !isDangerous(entry.name) else {
                throw InputError(
                    source,
                    "the entry \(quoted(entry.name)) as a variable decides which programs run, what they load or whom "
                        + "they talk to; if that is wanted, add --only \(entry.name) to --all, or leave out --all and "
                        + "name all that are wanted")
            }
            var variable = SecretBuffer(capacity: entry.name.utf8.count + entry.value.count + 2)
            variable.append(Array(entry.name.utf8))
            variable.append(UInt8(ascii: "="))
            let hasNUL = entry.value.bytes.withUnsafeBytes { $0.contains(0) }
            guard !hasNUL else {
                throw InputError(
                    source, "the value of \(quoted(entry.name)) holds a NUL byte and cannot be a variable's")
            }
            variable.append(entry.value.bytes)
            variable.append(0)
            variables.append(SharedSecret(variable.finish()))
        }
        return variables
    }

    /// Whether shells, the loader, common interpreters or tools run or load something because of it, or send requests
    /// elsewhere. A user who may write the file is not thereby trusted with the machine of those who use it. No such list
    /// is complete, so it only guards `--all`.
    private static func isDangerous(_ name: String) -> Bool {
        dangerous.contains(name) || dangerousPrefixes.contains { name.hasPrefix($0) }
            || dangerousInAnyCase.contains { name.lowercased().hasPrefix($0) }
            || name.lowercased().hasSuffix("_proxy")
    }

    private static let dangerousPrefixes = [
        "LD_", "GIT_", "PYTHON", "PERL5", "BASH_", "CARGO_", "RUSTC", "DOCKER_",
    ]

    private static let dangerousInAnyCase = ["npm_config_"]

    private static let dangerous: Set<String> = [
        "PATH", "HOME", "SHELL", "ENV", "IFS", "CDPATH", "SHELLOPTS", "BASHOPTS", "PS4", "PROMPT_COMMAND",
        "ZDOTDIR",
        "EDITOR", "VISUAL", "PAGER", "BROWSER", "LESSOPEN", "LESSCLOSE", "PERLLIB", "RUBYOPT", "RUBYLIB",
        "NODE_OPTIONS", "NODE_PATH", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH",
        "GCONV_PATH", "LOCPATH", "GLIBC_TUNABLES", "OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES",
        "GOFLAGS", "GOENV", "GOROOT", "GOPATH", "GOPROXY", "GOTOOLCHAIN", "RUSTFLAGS", "MAKEFLAGS", "MFLAGS",
        "GNUMAKEFLAGS", "KUBECONFIG", "MAVEN_OPTS", "GRADLE_OPTS", "NODE_EXTRA_CA_CERTS",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_HOME", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE",
        "AWS_CONFIG_FILE",
        "AWS_CA_BUNDLE", "HOSTALIASES", "RES_OPTIONS",
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
