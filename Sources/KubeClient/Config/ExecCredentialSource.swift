import Cryptography
import FoundationEssentials
import Glibc
import HTTP
import JSON
import System

/// Credentials that a program prints: client-go's exec plugins. The program runs again when its credential expires or the
/// server refuses it (`RenewableCredential`).
struct ExecCredentialSource: CredentialSource {
    private let renewable: RenewableCredential

    static let maximumOutputSize = 1 << 20

    init(plugin: ExecPlugin, timeout: Duration = .seconds(60)) {
        renewable = RenewableCredential(from: "a credential plugin") { () async throws(ConfigurationError) in
            try await Self.run(plugin, timeout: timeout)
        }
    }

    func credential() async throws(ConfigurationError) -> Credential { try await renewable.credential() }

    func invalidate(_ used: Credential) async { await renewable.invalidate(used) }

    private static func run(
        _ plugin: ExecPlugin, timeout: Duration
    ) async throws(ConfigurationError) -> RenewableCredential.Issued {
        let executable = try plugin.locate { access($0, X_OK) == 0 }
        var environment = plugin.environment
        environment["KUBERNETES_EXEC_INFO"] = ExecCredentialMessage.request(to: plugin)
        let process = ChildProcess(
            executable: executable, arguments: plugin.arguments, environment: environment,
            isInteractive: plugin.isInteractive, outputLimit: maximumOutputSize, deadline: timeout)
        let result: ChildProcess.Completion
        do throws(ChildProcess.RunError) {
            result = try await process.run()
        } catch {
            switch error {
            case .cannotStart(let code):
                throw plugin.error("cannot run \(plugin.command): \(String(cString: strerror(code)))")
            case .deadlineExceeded:
                throw plugin.error(
                    "\(plugin.command) did not end within \(timeout.components.seconds) s and was killed")
            case .tooMuchOutput:
                throw plugin.error(
                    "\(plugin.command) printed more than \(maximumOutputSize) bytes and was killed")
            }
        }
        guard result.exitCode == 0 else {
            throw plugin.error(
                "\(plugin.command) ended with exit code \(result.exitCode); see its messages on standard error"
            )
        }
        return try ExecCredentialMessage.credential(in: result.output.bytes, from: plugin)
    }
}

/// The ExecCredential object in both directions: to the plugin in `KUBERNETES_EXEC_INFO`, and from its standard output.
enum ExecCredentialMessage {
    static func request(to plugin: ExecPlugin) -> String {
        var spec: [(key: String, value: JSONValue)] = []
        if let cluster = plugin.cluster { spec.append(("cluster", cluster.json)) }
        spec.append(("interactive", .bool(plugin.isInteractive)))
        let object: JSONValue = [
            "kind": "ExecCredential", "apiVersion": .string(plugin.version.rawValue), "spec": .object(spec),
        ]
        return JSONWriter.write([object]).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    /// Reads the credential that a plugin printed.
    static func credential(
        in output: borrowing SecretBytes, from plugin: ExecPlugin
    ) throws(ConfigurationError) -> RenewableCredential.Issued {
        let object: JSONValue
        do throws(JSONError) {
            object = try JSONValue(parsing: output)
        } catch {
            throw plugin.error("the output is not an ExecCredential: \(error)")
        }
        guard object["kind"]?.string == "ExecCredential",
            object["apiVersion"]?.string == plugin.version.rawValue
        else {
            throw plugin.error(
                "\(plugin.command) returned another kind or version than ExecCredential of "
                    + "\(plugin.version.rawValue); set apiVersion to a version that it supports")
        }
        let status = object["status"]
        let token = status?["token"]?.secret
        let authorization = token.flatMap { AuthorizationHeader.bearer($0.bytes) }
        guard token == nil || token?.count == 0 || authorization != nil else {
            throw plugin.error(
                "\(plugin.command) returned a token with characters that a header must not contain")
        }
        let certificate = status?["clientCertificateData"]?.string.flatMap { $0.isEmpty ? nil : $0 }
        let key = status?["clientKeyData"]?.secret.flatMap { $0.count == 0 ? nil : $0 }
        guard (certificate == nil) == (key == nil) else {
            throw plugin.error("\(plugin.command) returned a client certificate or its key, but not both")
        }
        guard authorization != nil || certificate != nil else {
            throw plugin.error("\(plugin.command) returned neither a token nor a client certificate")
        }
        var clientCertificate: ClusterConfiguration.ClientCertificate?
        if let certificate, let key {
            do throws(TLSClientIdentity.IdentityError) {
                clientCertificate = .init(
                    try TLSClientIdentity(certificate: Array(certificate.utf8), key: key))
            } catch {
                let field = error.concernsKey ? "clientKeyData" : "clientCertificateData"
                throw plugin.error("\(field) of \(plugin.command) \(error)")
            }
        }
        return RenewableCredential.Issued(
            authorization: authorization, clientCertificate: clientCertificate,
            expiration: try expiration(status?["expirationTimestamp"], from: plugin))
    }

    /// Parses an RFC 3339 timestamp.
    private static func expiration(
        _ value: JSONValue?, from plugin: ExecPlugin
    ) throws(ConfigurationError) -> Date? {
        guard let value, !value.isNull else { return nil }
        guard let date = value.string.flatMap(RFC3339.date) else {
            throw plugin.error("\(plugin.command) returned an expirationTimestamp that is not RFC 3339")
        }
        return date
    }
}
