package import Cryptography
package import Envelope
import System

/// Passes entries of a Secret to a program as environment variables.
package enum EnvironmentEntries {
    /// The entries that become variables.
    package struct EntrySelection: Sendable {
        /// The names that the user selected, which may be dangerous ones.
        let explicitNames: Set<String>
        /// True to include the other entries, unless they are dangerous.
        let includesAll: Bool

        /// Returns nil if nothing is selected.
        ///
        /// - Parameter only: Comma-separated lists of names.
        package init?(only: [String], all: Bool) {
            explicitNames = Set(only.flatMap { $0.split(separator: ",") }.map(String.init))
            includesAll = all
            guard all || !explicitNames.isEmpty else { return nil }
        }
    }

    /// Returns the error for a command that selects no entries, with the commands that do.
    ///
    /// - Parameters:
    ///   - names: The names of the entries.
    ///   - document: The arguments that select the WrappedSecret, starting with the file.
    ///   - program: The program and its arguments.
    package static func missingSelection(
        _ names: [String], document: [String], program: [String]
    ) -> InputError {
        // The arguments are left out: one of them may be a value.
        let program = (program.prefix(1).map(\.shellQuoted) + (program.count > 1 ? ["\u{2026}"] : []))
            .joined(separator: " ")
        let usable = names.sorted().filter(isVariableName)
        let example = usable.isEmpty ? "NAME" : usable.prefix(8).joined(separator: ",")
        let command = "secrets-bridge exec \(document.map(\.shellQuoted).joined(separator: " "))"
        return InputError(
            document.first ?? "",
            "no entries are selected; it has \(names.isEmpty ? "none" : names.sorted().listed()): select "
                + "those that the program needs: \(command) --only \(example) -- \(program); or pass all, if you trust "
                + "everyone who can change the file: \(command) --all -- \(program)")
    }

    /// Returns the variables as `NAME=value` with a NUL at the end, in secret memory.
    ///
    /// - Throws: `InputError` if a selected entry does not exist, if an entry's name cannot be a variable's, if its
    ///   value contains a NUL, or if it is dangerous and only selected by `--all`.
    package static func variables(
        _ entries: [SecretEntry], _ selection: EntrySelection, source: String
    ) throws(InputError) -> [SharedSecret] {
        for name in selection.explicitNames.sorted() where !entries.contains(where: { $0.name == name }) {
            // The argument may be NAME=VALUE, which must not be quoted.
            let isName = (try? EnvelopeValidation.check(entry: name)) != nil
            throw InputError(
                source,
                (isName
                    ? "has no entry \(quoted(name))" : "an argument of --only is not the name of an entry")
                    + "; it has \(entries.map(\.name).listed())")
        }
        var variables: [SharedSecret] = []
        for entry in entries where selection.includesAll || selection.explicitNames.contains(entry.name) {
            guard isVariableName(entry.name) else {
                throw InputError(
                    source,
                    "the entry \(quoted(entry.name)) cannot be a variable (A-Z a-z 0-9 _, not starting with a digit); "
                        + (selection.includesAll
                            ? "replace --all by --only with the entries to pass" : "rename it"))
            }
            guard selection.explicitNames.contains(entry.name) || !isDangerousVariable(entry.name) else {
                throw InputError(
                    source,
                    "the variable \(quoted(entry.name)) determines which programs run, what they load or which servers "
                        + "they use; if that is intended, add --only \(entry.name) to --all, or replace --all by --only "
                        + "with all entries to pass")
            }
            var variable = SecretBuffer(capacity: entry.name.utf8.count + entry.value.count + 2)
            variable.append(Array(entry.name.utf8))
            variable.append(UInt8(ascii: "="))
            let hasNUL = entry.value.bytes.withUnsafeBytes { $0.contains(0) }
            guard !hasNUL else {
                throw InputError(
                    source,
                    "the value of \(quoted(entry.name)) contains a NUL byte and cannot be a variable's")
            }
            variable.append(entry.value.bytes)
            variable.append(0)
            variables.append(SharedSecret(variable.finish()))
        }
        return variables
    }

    /// Returns true if shells, the loader, common interpreters or tools execute, load or connect to something because
    /// of the variable. A user who may write the file is not thereby trusted with the machines of those who use it. No
    /// such list is complete, so it only guards `--all`.
    private static func isDangerousVariable(_ name: String) -> Bool {
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

    private static func isVariableName(_ name: String) -> Bool {
        name.utf8.first?.isASCIIDigit == false
            && name.utf8.allSatisfy { $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "_") }
    }
}
