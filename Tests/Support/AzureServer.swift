import Cryptography
import Foundation
import HTTP
import HTTPTypes

/// Key Vault, Microsoft Entra ID and the metadata service on loopback: hack/lib/azure_server.py, which Tests/Fakes proves with
/// the official clients. It ends with the process, when its standard input closes.
package final class AzureServer: Sendable {
    private static let started = Task { try await AzureServer() }

    /// Returns the server that all tests share, which starts at the first call. Each test creates its own vaults and
    /// applications.
    package static func shared() async throws -> AzureServer { try await started.value }

    package static let isAvailable = Python.hasModules(
        "azure.identity, azure.keyvault.keys, cryptography, jwt")

    package static let tenant = "11111111-2222-3333-4444-555555555555"

    package let port: Int
    /// `http://127.0.0.1:<port>`
    package let metadata: String
    package var authority: String { "https://login.localhost:\(port)" }
    package var ca: String { folder.path("ca.pem") }
    private let folder: TemporaryFolder
    private let process = Process()
    private let input = Pipe()

    package init() async throws {
        folder = try TemporaryFolder()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            Python.program, "-B", "-c",
            """
            import os, runpy, shutil, sys, threading
            def end():
                sys.stdin.read()
                shutil.rmtree('\(folder.path)', ignore_errors=True)
                os._exit(0)
            threading.Thread(target=end, daemon=True).start()
            sys.path.insert(0, 'hack/lib')
            sys.argv = ['azure_server.py', '0', '\(folder.path)']
            runpy.run_path('hack/lib/azure_server.py', run_name='__main__')
            """,
        ]
        process.currentDirectoryURL = Python.repository
        process.environment = ["PATH": "/usr/bin:/bin"]
        process.standardInput = input
        try process.run()
        var ports: AnyJSON?
        for _ in 0..<600 where ports == nil {
            try await Task.sleep(for: .milliseconds(50))
            ports = (try? folder.read("ready")).flatMap { try? AnyJSON(Array($0.utf8)) }
        }
        guard case .int(let port) = ports?["port"], case .int(let metadataPort) = ports?["metadata_port"]
        else {
            throw Python.Failure(description: "azure_server.py did not start")
        }
        self.port = port
        metadata = "http://127.0.0.1:\(metadataPort)"
    }

    /// Sends a command of `Control` in azure_server.py.
    @discardableResult
    package func command(_ name: String, _ arguments: [String: AnyJSON] = [:]) async throws -> AnyJSON {
        let body = AnyJSON.object(arguments.merging(["do": .string(name)]) { $1 })
        let (head, response) = try await CurlClient(HTTPClientConfiguration(proxy: .none)).send(
            HTTPClientRequest(
                method: .post, url: "\(metadata)/control", body: .bytes(Array(try body.data()))),
            upTo: 1 << 24)
        guard head.status.code == 200 else {
            throw Python.Failure(description: "\(name): \(String(decoding: response, as: UTF8.self))")
        }
        return try AnyJSON(response)
    }

    /// Returns the logged requests of which all these properties are so.
    package func requests(_ wanted: [String: AnyJSON]) async throws -> [AnyJSON] {
        let log = try await command("requests")["requests"]?.items ?? []
        return log.filter { entry in wanted.allSatisfy { entry[$0.key] == $0.value } }
    }

    private static let forks = PythonForks(
        """
        import base64, json
        import azure_fake, service_account
        from azure.identity import EnvironmentCredential
        from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm
        """)

    /// Runs a script with the official clients. `azure_fake` has been imported.
    package func python(_ script: String, environment: [String: String] = [:]) async throws -> String {
        let environment = [
            "REQUESTS_CA_BUNDLE": ca, "AZURE_AUTHORITY_HOST": authority,
        ].merging(environment) { $1 }
        return try await Python.runOnThread { try Self.forks.run(script, environment: environment) }
    }
}

/// A vault of an `AzureServer` with a key, and an application that may use it.
package struct AzureTestVault: Sendable {
    package let server: AzureServer
    package let name: String
    package let url: String
    /// The id of the first version of the key `sb-wrap`.
    package let kid: String
    package let clientID: String
    package let secret: String

    /// The first part of the id of all versions.
    package var keyID: String { "azure-key-vault:\(kid)" }

    /// - Parameter server: The server, or nil for the shared one.
    package static func create(
        on server: AzureServer? = nil, isManagedHSM: Bool = false, keyType: String? = nil,
        operations: [String] = ["wrapKey", "unwrapKey", "getKey"], bits: Int? = nil
    ) async throws -> AzureTestVault {
        let server = if let server { server } else { try await AzureServer.shared() }
        let name = "v" + UUID().uuidString.prefix(8).lowercased()
        let url = try await server.command(
            "vault",
            [
                "name": .string(name), "tenant": .string(AzureServer.tenant),
                "kind": isManagedHSM ? "hsm" : "vault",
            ])["url"]?.string
        var key: [String: AnyJSON] = [
            "vault": .string(name), "name": "sb-wrap",
            "kty": .string(keyType ?? (isManagedHSM ? "oct-HSM" : "RSA")),
        ]
        if let bits { key["size"] = .int(bits) }
        let kid = try await server.command("key", key)["kid"]?.string
        let vault = AzureTestVault(
            server: server, name: name, url: url ?? "", kid: kid ?? "",
            clientID: UUID().uuidString.lowercased(), secret: "s~\(UUID().uuidString)")
        try await vault.addApplication(vault.clientID, ["secret": .string(vault.secret)], operations)
        return vault
    }

    /// Adds an application that may do these operations.
    package func addApplication(
        _ clientID: String, _ properties: [String: AnyJSON], _ operations: [String]
    ) async throws {
        try await server.command(
            "app",
            properties.merging(["client_id": .string(clientID), "tenant": .string(AzureServer.tenant)]) { $1 }
        )
        try await grant(clientID, operations)
    }

    package func grant(_ clientID: String, _ operations: [String]) async throws {
        try await server.command(
            "grant",
            [
                "client_id": .string(clientID), "vault": .string(name),
                "operations": .array(operations.map { .string($0) }),
            ])
    }

    /// Creates another version of the key and returns its id.
    package func rotate() async throws -> String {
        try await server.command("rotate", ["vault": .string(name), "name": "sb-wrap"])["kid"]?.string ?? ""
    }

    package func setEnabled(_ isEnabled: Bool, version: String = "") async throws {
        try await server.command(
            "update",
            [
                "vault": .string(name), "name": "sb-wrap", "version": .string(version),
                "enabled": .bool(isEnabled),
            ])
    }

    /// The settings of a process, without credentials.
    package var settings: [String: String] {
        [
            "SB_KMS_BACKEND": "azure-key-vault", "SB_KMS_AZURE_VAULT_URL": url, "SB_KMS_AZURE_KEY": "sb-wrap",
            "SB_KMS_AZURE_CACERT": server.ca, "AZURE_AUTHORITY_HOST": server.authority,
            "AZURE_POD_IDENTITY_AUTHORITY_HOST": server.metadata,
        ]
    }

    /// The settings with the application's secret.
    package var applicationSettings: [String: String] {
        settings.merging(secretVariables) { $1 }
    }

    package var secretVariables: [String: String] {
        [
            "AZURE_TENANT_ID": AzureServer.tenant, "AZURE_CLIENT_ID": clientID, "AZURE_CLIENT_SECRET": secret,
        ]
    }

    /// Runs a script of the official clients: `client` uses the given version of the key with RSA-OAEP-256 or A256KW,
    /// `algorithm`, and asks the vault for each operation.
    package func python(_ script: String, kid: String? = nil) async throws -> String {
        try await server.python(
            """
            client = CryptographyClient('\(kid ?? self.kid)', EnvironmentCredential(disable_instance_discovery=True))
            client._keys_get_forbidden = True
            algorithm = KeyWrapAlgorithm.\(url.contains(".managedhsm.") ? "aes_256" : "rsa_oaep_256")
            \(script)
            """, environment: secretVariables)
    }
}
