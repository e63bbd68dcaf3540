import ArgumentParser
import CLI
import Cryptography
import FoundationEssentials
import System

/// The credential of an image registry, as in `kubectl create secret docker-registry`. The password is never an argument.
struct RegistryOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The registry of --docker-username. (default: \(RegistryCredential.defaultServer))",
            valueName: "address"))
    var dockerServer: String?

    @Option(
        help: ArgumentHelp(
            """
            Create the entry .dockerconfigjson (type kubernetes.io/dockerconfigjson) for this user of a registry. The password \
            is asked for without being shown, or read from --docker-password-file.
            """, valueName: "user"))
    var dockerUsername: String?

    @Option(
        help: ArgumentHelp(
            """
            Read the registry's password from this file, without a line break at its end. - is standard input.
            """, valueName: "file"),
        completion: .file())
    var dockerPasswordFile: String?

    @Option(help: ArgumentHelp("The user's address in the registry's credential.", valueName: "email"))
    var dockerEmail: String?

    @Option(
        help: ArgumentHelp(
            """
            Refused, unlike kubectl's option: other users of this machine could see the password in the process list, and the \
            shell would keep it in its history. Leave it out to be asked.
            """, valueName: "password"))
    var dockerPassword: String?

    /// A password is at most 64 KiB.
    private static let limit = 64 * 1024

    var isEmpty: Bool {
        dockerServer == nil && dockerUsername == nil && dockerPasswordFile == nil && dockerEmail == nil
    }

    func validate() throws {
        if dockerPassword != nil {
            throw ValidationError(
                "--docker-password would show the password in the process list and in the shell's history; leave it out to be "
                    + "asked, or give --docker-password-file (- is standard input)")
        }
        if !isEmpty, dockerUsername == nil {
            throw ValidationError(
                "--docker-server, --docker-email and --docker-password-file need --docker-username")
        }
    }

    func add(to arguments: inout SecretArguments) throws {
        guard let dockerUsername else { return }
        let server = dockerServer ?? RegistryCredential.defaultServer
        let password = try password(of: dockerUsername, server)
        try arguments.addRegistry(
            try RegistryCredential(
                server: server, username: dockerUsername, email: dockerEmail, password: password))
    }

    private func password(of user: String, _ server: String) throws -> SharedSecret {
        guard let dockerPasswordFile else {
            return try HiddenPrompt.read(
                "password of \(user) at \(server)", alternative: "--docker-password-file")
        }
        do throws(FileError) {
            let contents = try SecretBytes(contentsOfFile: dockerPasswordFile, limit: Self.limit)
            return contents.withUnsafeBytes { bytes in
                var bytes = bytes[...]
                if bytes.last == UInt8(ascii: "\n") { bytes = bytes.dropLast() }
                if bytes.last == UInt8(ascii: "\r") { bytes = bytes.dropLast() }
                return SharedSecret(SecretBytes(copying: UnsafeRawBufferPointer(rebasing: bytes)))
            }
        } catch {
            throw InputError(unreadable: dockerPasswordFile, error.reason)
        }
    }
}

/// A certificate and its key, as in `kubectl create secret tls`.
struct TLSOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            Create the entries tls.crt and tls.key (type kubernetes.io/tls) from this PEM file and that of --tls-key. The key \
            has to belong to the first certificate; expired certificates and a wrong order are noted.
            """, valueName: "file"),
        completion: .file())
    var tlsCert: String?

    @Option(
        help: ArgumentHelp("The private key of --tls-cert, as PEM.", valueName: "file"), completion: .file())
    var tlsKey: String?

    var isEmpty: Bool { tlsCert == nil && tlsKey == nil }

    func validate() throws {
        if (tlsCert == nil) != (tlsKey == nil) {
            throw ValidationError("--tls-cert and --tls-key belong together; give both")
        }
    }

    func add(to arguments: inout SecretArguments) throws(InputError) {
        guard let tlsCert, let tlsKey else { return }
        try arguments.addTLSPair(certificate: tlsCert, key: tlsKey, at: Date())
    }
}
